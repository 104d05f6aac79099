#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// `.sympath .symfix !sym .reload ld`.
void add_symbol_path_commands(debugger::CommandTable& table);
/// `lm`.
void add_module_list_commands(debugger::CommandTable& table);
/// `x`, `ln`.
void add_symbol_search_commands(debugger::CommandTable& table);
/// `dt`.
void add_type_commands(debugger::CommandTable& table);

} // namespace poolkd::commands
