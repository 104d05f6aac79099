#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `~`: lists processors, switches between them, runs a command on one or all.
void add_processor_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
