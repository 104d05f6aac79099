#pragma once

#include "control/controller.h"
#include "debugger/session.h"

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace poolkd::commands {

/// How a step that arrived is shown; other stops are always shown whole.
enum class Arrival {
    location,  ///< as every stop: where it stands
    registers, ///< with the registers, and what the instruction is about to touch
    silent,    ///< one of many
};

/// What every command that lets the target run ends with: shows the stop, or runs the commands that the user wants run
/// there, and runs on while they say so. Gives the last stop; nothing when one of those commands has shown it.
Result<std::optional<control::StopReport>> end_motion(debugger::Session& session, debugger::Arguments& arguments,
                                                      Result<control::StopReport> report,
                                                      Arrival arrival = Arrival::location);

/// A command that lets the target run.
debugger::Command resuming(std::vector<std::string_view> names, std::string_view summary, std::string_view syntax,
                           std::string_view help,
                           std::function<Result<void>(debugger::Session&, debugger::Arguments&)> run);

/// `=Start` of such a command: the target goes on from there.
Result<void> start_at(debugger::Session& session, VirtAddr start);

/// `gu`: runs until the current function returns.
Result<control::StopReport> run_out_of_function(debugger::Session& session);

} // namespace poolkd::commands
