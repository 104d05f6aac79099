#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `.link`.
void add_link_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
