#pragma once

#include "debugger/command.h"
#include "debugger/session.h"

#include <string>

namespace poolkd::commands {

/// All of those below.
void add_general_commands(debugger::CommandTable& table);

void add_evaluate_commands(debugger::CommandTable& table);    ///< `?`, `.formats`, `n`
void add_console_commands(debugger::CommandTable& table);     ///< `.help`, `q`, `qd`
void add_log_commands(debugger::CommandTable& table);         ///< `.logopen`, `.logappend`, `.logclose`, `.logfile`
void add_version_commands(debugger::CommandTable& table);     ///< `version`, `vertarget`, `.time`
void add_journal_commands(debugger::CommandTable& table);     ///< `.writes`, `.undo`
void add_global_flag_commands(debugger::CommandTable& table); ///< `!gflag`
void add_switch_commands(debugger::CommandTable& table);      ///< `.asm`, `.symopt`, … which change nothing; `.cache`
void add_tag_commands(debugger::CommandTable& table);         ///< `.tag`

/// What `.formats` prints of a value.
[[nodiscard]] std::string formats_text(std::uint64_t value, unsigned pointer_size);

/// "poolkd 0.1.0 AMD64" and the like: the first line of the banner and of `version`.
[[nodiscard]] std::string product_text();
/// The block of `vertarget`: from "Windows … Kernel Version" down. Lines whose facts the target does not give are left
/// out.
[[nodiscard]] std::string target_text(debugger::Session& session);

} // namespace poolkd::commands
