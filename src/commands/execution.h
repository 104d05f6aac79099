#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `g` and its kin, `gu`, `.reboot`.
void add_execution_commands(debugger::CommandTable& table);
/// `p`, `t` and those that step to the next call, return, branch or to an address.
void add_step_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
