#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `sx` and its kin, `.lastevent`.
void add_event_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
