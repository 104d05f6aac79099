#pragma once

#include <cstdint>
#include <limits>

namespace poolkd::hunt {

/// Sums and differences of numbers that foreign evidence holds: at the ends of what fits they stop.
[[nodiscard]] inline std::int64_t saturating_plus(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}
[[nodiscard]] inline std::int64_t saturating_minus(std::int64_t a, std::int64_t b) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(a, b, &difference)) return difference;
    return b > 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

} // namespace poolkd::hunt
