#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `!pte`, `!vtop`.
void add_translate_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
