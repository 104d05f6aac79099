#pragma once

#include "app/line_reader.h"
#include "app/options.h"
#include "debugger/session.h"

#include <span>
#include <string>

namespace poolkd::app {

/// The program: `arguments` without its name. Returns the exit code.
int run_program(std::span<const std::string> arguments);

/// Runs the script of -cf, the commands of -c, then what the reader gives, until the user quits or the input ends.
/// True: every command that did not come from a person succeeded.
bool run_commands(debugger::Session& session, const Options& options, LineReader& reader);

} // namespace poolkd::app
