#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `s`: bytes, words and strings in a range.
void add_search_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
