#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `g` family, `p`, `t`, `gu`, `.reboot`.
void add_execution_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
