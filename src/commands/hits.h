#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `!hits`: a trace of a tag's allocations and frees.
void add_hits_command(debugger::CommandTable& table);

} // namespace poolkd::commands
