#pragma once

#include "hunt/hunt.h"
#include "render/chart.h"

#include <string>

namespace poolkd::render {

/// The report for people, 100 columns wide.
[[nodiscard]] std::string hunt_text(const hunt::HuntReport& report, ChartStyle style);

/// The plan, before the work begins.
[[nodiscard]] std::string hunt_plan_text(const hunt::HuntReport& report);

/// "leaky!LeakyBuildReport+0x18 (report.cpp:12), through MyAlloc"
[[nodiscard]] std::string site_text(const hunt::SuspectSite& site);

} // namespace poolkd::render
