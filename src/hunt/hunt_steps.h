#pragma once

#include "hunt/hunt.h"

namespace poolkd::hunt {

inline constexpr std::chrono::milliseconds default_budget{60'000};

/// How the budget of a live target is shared; traces have what the others leave.
struct HuntTimes {
    static constexpr std::size_t snapshots = 33;
    std::chrono::milliseconds interval{}; ///< between two of them
    std::chrono::milliseconds code{};     ///< at most
    std::chrono::milliseconds memory{};
};
[[nodiscard]] HuntTimes times_of(std::chrono::milliseconds budget);

} // namespace poolkd::hunt
