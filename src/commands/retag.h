#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `!retag`: a tag of its own for each call site that shares one.
void add_retag_command(debugger::CommandTable& table);

} // namespace poolkd::commands
