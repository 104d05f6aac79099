#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `db dw dW dd dc dq dp df dD`, `da du`, `dds dqs dps`, `dda ddp ddu …`, `d`, and the physical `!db` family.
void add_dump_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
