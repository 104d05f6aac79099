#pragma once

#include "debugger/session.h"

#include <cstdint>
#include <vector>

namespace poolkd::commands {

/// Breakpoints as commands name them: `0`, `0 2,5`, `0-3`, `*`, `[expression]`, or "pattern" on what they stand at. In
/// the order given. Kind `not_found` for a single number that no breakpoint has.
Result<std::vector<std::uint32_t>> breakpoint_ids(debugger::Session& session, debugger::Arguments& arguments);

} // namespace poolkd::commands
