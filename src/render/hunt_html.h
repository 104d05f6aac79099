#pragma once

#include "hunt/hunt.h"

#include <string>

namespace poolkd::render {

/// The report as one HTML file that needs nothing beside it: whole without its script, which makes it something to
/// click in (docs/report.md). It holds the report's JSON, for programs.
[[nodiscard]] std::string hunt_html(const hunt::HuntReport& report);

} // namespace poolkd::render
