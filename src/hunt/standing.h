#pragma once

#include <optional>

namespace poolkd::hunt {

/// What is known of a tag at the end of its course, beside the course itself.
struct Standing {
    double blocks = 0, bytes = 0;
    std::optional<double> allocs;      ///< since boot; empty when not known, also when the counter wrapped before
    std::optional<double> freed_share; ///< since boot
    double share = 0;                  ///< of the bytes of its pool
    bool whole = true;                 ///< the share is of all tags
    std::optional<double> uptime_hours;
    bool since_restarted = false; ///< the course is that of an earlier boot
};

} // namespace poolkd::hunt
