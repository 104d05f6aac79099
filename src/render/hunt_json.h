#pragma once

#include "hunt/hunt.h"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace poolkd::render {

/// Counted up when a field changes its meaning or goes; new fields do not count (docs/json.md).
constexpr int hunt_json_version = 1;

/// How much of a report its JSON holds; 0: all.
struct HuntJsonBounds {
    std::size_t tags = 0;   ///< of `verdict.rows`
    std::size_t stacks = 0; ///< of each trace
    bool hits = true;       ///< the last hits of each trace
};

/// The report for programs: what `--json`, a report file in JSON, and the data block of the HTML report hold.
[[nodiscard]] nlohmann::json hunt_json(const hunt::HuntReport& report, const HuntJsonBounds& bounds = {});

/// The tag that a suspect is about; null when its row is not in the verdict.
[[nodiscard]] const hunt::TagVerdict* verdict_of(const hunt::HuntReport& report, const hunt::Suspect& suspect);

} // namespace poolkd::render
