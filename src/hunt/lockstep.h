#pragma once

#include "hunt/history.h"
#include "hunt/layers.h"
#include "hunt/verdict.h"

#include <span>
#include <vector>

namespace poolkd::hunt {

/// A tag that may be part of a group.
struct Candidate {
    std::size_t row = 0;                 ///< index in `Report::rows`
    const TagHistory* history = nullptr; ///< of the same evidence as the others'
    Layer layer;
    bool leads = true;      ///< grows by itself; else it only joins the group of one that does
    double gained = 0;      ///< blocks; with one snapshot those in use
    std::int64_t bytes = 0; ///< in use
    double bytes_per_hour = 0;
};

/// A member of a group, with what tells its likely owner.
struct GroupPart {
    std::size_t row = 0; ///< index in `Report::rows`
    double ratio = 1;    ///< blocks gained, against the others
    Layer layer;
    std::int64_t bytes = 0; ///< in use
    double bytes_per_hour = 0;
};

/// The group of two parts or more.
[[nodiscard]] LeakGroup make_group(std::vector<GroupPart> parts);

/// Finds the candidates whose blocks grow in fixed ratios: either their growth varies together, or it stands in a ratio
/// of small whole numbers throughout. Each candidate is in one group at most; groups have two members or more, the
/// likely owner first.
[[nodiscard]] std::vector<LeakGroup> find_groups(const History& history, std::span<const Candidate> candidates);

} // namespace poolkd::hunt
