#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// Every command poolkd has.
[[nodiscard]] debugger::CommandTable all_commands();

} // namespace poolkd::commands
