#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `.dump`.
void add_dump_file_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
