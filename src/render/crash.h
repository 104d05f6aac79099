#pragma once

#include "hunt/crash.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace poolkd::render {

/// `.bugcheck` in kd's layout.
std::string bug_check_text(const nt::BugCheck& bug_check, unsigned pointer_size);
nlohmann::json bug_check_json(const nt::BugCheck& bug_check);

/// `!analyze`: what happened, what shows it, and whom it points at. `verbose` adds kd's heads: the arguments with their
/// meaning, the codes, the stack.
std::string crash_text(const hunt::CrashReport& report, bool verbose, unsigned pointer_size);
nlohmann::json crash_json(const hunt::CrashReport& report);

} // namespace poolkd::render
