#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `r`.
void add_register_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
