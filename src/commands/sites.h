#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `!sites`.
void add_site_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
