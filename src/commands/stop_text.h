#pragma once

#include "control/controller.h"
#include "debugger/session.h"

#include <nlohmann/json.hpp>

#include <string>

namespace poolkd::commands {

/// What kd prints at a stop: the event, then where the processor stands (commands.md 2.5, 9.2).
std::string stop_text(debugger::Session& session, const control::StopReport& report);
nlohmann::json stop_json(debugger::Session& session, const control::StopReport& report);

} // namespace poolkd::commands
