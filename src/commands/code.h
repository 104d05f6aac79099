#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// u, uu, ub, uf.
void add_code_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
