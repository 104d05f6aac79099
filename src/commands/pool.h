#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `!poolused`, `!poolfind`, `!pool`.
void add_pool_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
