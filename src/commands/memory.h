#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `d*`, `e*`, `s`.
void add_memory_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
