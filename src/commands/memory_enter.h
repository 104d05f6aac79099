#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `eb ew ed eq ep`, `ea eu eza ezu`, `e`. Every write goes through the journal.
void add_enter_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
