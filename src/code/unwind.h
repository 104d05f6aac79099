#pragma once

#include "code/epilog.h"
#include "code/registers.h"
#include "code/stack_reader.h"
#include "code/unwind_tables.h"

namespace poolkd::code {

/// How the caller of a frame was found.
enum class UnwindMethod {
    none,          ///< it was not
    unwind_info,   ///< by the codes of .xdata
    epilog,        ///< by what the epilog still had to do
    leaf,          ///< a function without unwind record: the return address lies at the stack pointer
    machine_frame, ///< the processor's own record of a trap or interrupt
    scan,          ///< a guess: the next word on the stack that a call can have pushed
};
std::string_view to_words(UnwindMethod method);

/// The registers one frame up.
struct CallerState {
    X64Registers registers;
    UnwindMethod method = UnwindMethod::none;
    /// Where the processor (or who imitates it) pushed rip, cs, flags, rsp, ss.
    std::optional<VirtAddr> machine_frame;
};

/// Undoes one function by its unwind record. `interrupted`: the registers are those of an instruction about to run,
/// and not of one that a call will return to, so that the function may stand in its epilog.
/// Kinds: `unreadable` with the address (stack or tables), `malformed`, `unsupported` (record of an unknown version).
Result<CallerState> unwind_function(const UnwindTables& tables, const RuntimeFunction& function,
                                    const X64Registers& registers, bool interrupted, StackReader& stack,
                                    const ReadCode& read);

/// Undoes a function that has touched neither the stack pointer nor non-volatile registers.
Result<CallerState> unwind_leaf(const X64Registers& registers, StackReader& stack);

} // namespace poolkd::code
