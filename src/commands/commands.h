#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

// One function a family, each in the file of its name.
void add_memory_commands(debugger::CommandTable& table);
void add_register_commands(debugger::CommandTable& table);
void add_general_commands(debugger::CommandTable& table);

/// Every command poolkd has.
[[nodiscard]] debugger::CommandTable all_commands();

} // namespace poolkd::commands
