#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `a`: writing instructions.
void add_assemble_command(debugger::CommandTable& table);

} // namespace poolkd::commands
