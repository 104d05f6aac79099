#pragma once

#include "control/controller.h"
#include "debugger/session.h"

#include <nlohmann/json.hpp>

#include <string>

namespace poolkd::commands {

/// What kd prints at a stop: the event, then where the processor stands (commands.md 2.5, 9.2).
std::string stop_text(debugger::Session& session, const control::StopReport& report);
/// The event alone, without where it happened: "Load module zeta.sys at fffff804`7e3c0000" (`.lastevent`).
std::string event_text(debugger::Session& session, const control::StopReport& report);
/// The line of an event that only passes by (`sxn`).
std::string told_event_text(debugger::Session& session, const target::Stop& stop);
nlohmann::json stop_json(debugger::Session& session, const control::StopReport& report);

} // namespace poolkd::commands
