#pragma once

#include "code/epilog.h"
#include "code/frame.h"
#include "code/stack_reader.h"
#include "code/unwind_tables.h"

namespace poolkd::code {

/// Undoes one function by its unwind record. `interrupted`: the registers are those of an instruction about to run,
/// and not of one that a call will return to, so that the function may stand in its epilog.
/// Kinds: `unreadable` with the address (stack or tables), `malformed`, `unsupported` (record of an unknown version).
Result<CallerState> unwind_function(const UnwindTables& tables, const RuntimeFunction& function,
                                    const GeneralRegisters& registers, bool interrupted, StackReader& stack,
                                    const ReadCode& read);

/// Undoes a function that has touched neither the stack pointer nor non-volatile registers.
Result<CallerState> unwind_leaf(const GeneralRegisters& registers, StackReader& stack);

} // namespace poolkd::code
