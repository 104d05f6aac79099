#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// k and its forms, .kframes, .lines.
void add_stack_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
