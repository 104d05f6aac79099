#pragma once

#include "hunt/layers.h"
#include "hunt/shape.h"
#include "hunt/verdict.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// What is known of a tag at the end of the evidence, beside its course.
struct Standing {
    double blocks = 0, bytes = 0;
    std::optional<double> allocs;      ///< since boot
    std::optional<double> freed_share; ///< since boot
    double share = 0;                  ///< of the bytes of its pool
    bool whole = true;                 ///< the share is of all tags
    std::optional<double> uptime_hours;
};

struct Judgement {
    Verdict verdict = Verdict::undecided;
    double confidence = 0;
    std::vector<std::string> reasons;
};

/// The rules, in docs/verdict.md in words. A leak is only called so when no doubt is left; each doubt is a reason for
/// `growing` instead.
[[nodiscard]] Judgement classify(const Shape& shape, const Standing& standing, const Layer& layer);

} // namespace poolkd::hunt
