#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// !process, !thread.
void add_process_commands(debugger::CommandTable& table);
/// .process, .thread, .trap, .cxr.
void add_context_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
