#pragma once

#include "hunt/layers.h"
#include "hunt/shape.h"
#include "hunt/standing.h"
#include "hunt/verdict.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

struct Judgement {
    Verdict verdict = Verdict::undecided;
    double confidence = 0;
    std::vector<std::string> reasons;
};

/// The rules, in docs/verdict.md in words. A leak is only called so when no doubt is left; each doubt is a reason for
/// `growing` instead.
[[nodiscard]] Judgement classify(const Shape& shape, const Standing& standing, const Layer& layer);

} // namespace poolkd::hunt
