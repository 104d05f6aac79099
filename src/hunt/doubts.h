#pragma once

#include "hunt/layers.h"
#include "hunt/shape.h"
#include "hunt/standing.h"

#include <string>
#include <vector>

namespace poolkd::hunt {

/// Why a rise may be something else than a leak, each as a sentence; empty when no doubt is left (docs/verdict.md 4).
[[nodiscard]] std::vector<std::string> doubts_of(const Shape& shape, const Standing& standing, const Layer& layer);

/// Counters since boot that no load and no cache leaves behind.
[[nodiscard]] bool speaks_for_itself(const Standing& standing, const Layer& layer);

/// Evidence of days, in many snapshots.
[[nodiscard]] bool is_long(const Shape& shape);

inline constexpr double never_freed = 0.05; ///< freed share up to which a tag counts as giving nothing back
inline constexpr double leak_chance = 5e-5; ///< of the floor's rise without a trend, for a leak

} // namespace poolkd::hunt
