#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `d*`, `e*`, `s`, `f`, `m`, `c`, `!pte`, `!vtop`.
void add_memory_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
