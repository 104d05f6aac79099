#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `bp bu bl bc bd be`.
void add_breakpoint_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
