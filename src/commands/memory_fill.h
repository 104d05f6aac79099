#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `f`, `c` and `m`: filling, comparing and moving ranges of memory.
void add_fill_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
