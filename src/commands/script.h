#pragma once

#include "debugger/command.h"

namespace poolkd::commands {

/// All of those below: what makes kd's commands a language.
void add_script_commands(debugger::CommandTable& table);

void add_flow_commands(debugger::CommandTable& table);        ///< `.if`, `.for`, `.foreach`, `j`, `z`, …
void add_script_file_commands(debugger::CommandTable& table); ///< `$<`, `$><`, `$$<`, `$$><`, `$$>a<`
void add_print_commands(debugger::CommandTable& table);       ///< `.echo`, `.printf`
void add_alias_commands(debugger::CommandTable& table);       ///< `as`, `aS`, `ad`, `al`
void add_pause_commands(debugger::CommandTable& table);       ///< `.sleep`, `.echotime`

} // namespace poolkd::commands
