#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `bp`, `bu`, `bm`, `ba`: what sets breakpoints.
void add_breakpoint_commands(debugger::CommandTable& table);
/// `bl`, `.bpcmds`, `bc`, `bd`, `be`, `br`, `bs`: what lists and changes them.
void add_breakpoint_list_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
