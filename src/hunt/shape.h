#pragma once

#include "hunt/history.h"

#include <optional>
#include <span>
#include <vector>

namespace poolkd::hunt {

/// One tag's course within one boot, without the points that do not know it.
struct Course {
    std::vector<double> hours, blocks, bytes;
    std::vector<double> allocs; ///< empty without activity
    bool timed = true;
    std::uint32_t boot = 0;
};

/// The courses of a tag, one a boot; boots that do not know the tag are left out.
[[nodiscard]] std::vector<Course> courses_of(const History& history, const TagHistory& tag);

/// How strongly a floor rises, however the course is divided into stretches.
struct Rise {
    double chance = 1;       ///< smallest over the divisions: of such steps of the floor without a trend
    double rising_share = 0; ///< of the stretches of that division
    double slowing = 0;      ///< standard errors by which the steps get smaller in time (negative: they do)
    double unevenness = 0;   ///< deviation of the steps per hour over their mean, of the finest division
};

/// What the shape of a course shows. Growth means growth of the floor: of what stays in use when the load is low.
struct Shape {
    std::size_t samples = 0;
    double span_hours = 0;      ///< 0 without times
    double first = 0, last = 0; ///< floor of the first and last third, in blocks
    double gained = 0;          ///< blocks, from the first floor to the last, stretched to the whole course
    double gained_bytes = 0;
    double blocks_per_hour = 0, bytes_per_hour = 0; ///< Theil–Sen; per snapshot without times
    double low = 0, high = 0;                       ///< 5 % and 95 % of blocks
    double spread = 0;        ///< median over the stretches of how far blocks lie above their floor
    Rise rise;                ///< of the floor
    double fall_chance = 1;   ///< the same for the ceiling, downwards
    double rising_chance = 1; ///< Mann–Kendall of the floors
    double falling_chance = 1;
    double bytes_rising_chance = 1;
    std::optional<double> recent_pace; ///< growth per hour of the last third over that of the whole
    std::optional<double> pace_change; ///< growth per hour of the last third over that of the first
    std::optional<double> freed_share; ///< frees per allocation within the course
    std::optional<double> allocs_gained;
    /// Of the allocations since boot, how many were still in use at the start, over the same of those made since: 1
    /// when the tag has kept the same part of its allocations all along.
    std::optional<double> kept_before;
    std::optional<double> history_ratio;   ///< allocations before the course over those in it
    std::optional<double> load_ratio;      ///< allocations per hour, last third over first
    double load_error = 0;                 ///< standard error of `load_ratio`
    std::optional<double> residence_ratio; ///< mean time a block lives (Little's law), last third over first
    std::optional<double> activity_change; ///< growth per allocation of the last third over that of the first
    std::optional<double> stopped_at;      ///< hours: grew evenly until then and has kept all of it since
    unsigned cycles = 0;                   ///< times it rose and fell back by half of its range
    double bytes_per_block = 0;            ///< of what was gained
    bool uniform_sizes = false;
};

/// Needs at least `Shape::samples` of 1; figures that need more are left at their defaults.
[[nodiscard]] Shape shape_of(const Course& course);

} // namespace poolkd::hunt
