#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `.bugcheck`, `!analyze`.
void add_crash_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
