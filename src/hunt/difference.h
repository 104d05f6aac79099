#pragma once

#include "hunt/saturating.h"
#include "hunt/snapshot.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// What a tag holds at one time.
struct InUse {
    std::int64_t blocks = 0;
    std::int64_t bytes = 0;
};

struct TagDifference {
    enum class Presence {
        both,
        appeared,    ///< in the second snapshot only; the first was whole, so it held nothing then
        gone,        ///< in the first only; the second was whole
        only_before, ///< in the first only, and the second does not list all tags: nothing can be said
        only_after,  ///< in the second only, and the first does not list all tags
    };
    TagKey key;
    Presence presence = Presence::both;
    std::optional<InUse> before, after; ///< nothing: not known
    /// Nothing without activity, after a restart, and for tags that cannot be compared.
    std::optional<std::uint64_t> allocs, frees;
    std::optional<double> freed_share;    ///< frees per allocation between the two
    std::optional<double> bytes_per_hour; ///< where the time between the two is known; not after a restart

    [[nodiscard]] bool comparable() const { return before && after; }
    [[nodiscard]] std::int64_t blocks() const {
        return comparable() ? saturating_minus(after->blocks, before->blocks) : 0;
    }
    [[nodiscard]] std::int64_t bytes() const {
        return comparable() ? saturating_minus(after->bytes, before->bytes) : 0;
    }
};

/// One of the two snapshots, without its rows.
struct DifferenceSide {
    std::optional<Time> time;
    bool time_assumed = false;
    std::optional<std::chrono::milliseconds> uptime;
    std::string machine, evidence;
    bool activity = true, whole = true;
    std::int64_t nonpaged_bytes = 0, paged_bytes = 0; ///< of all its tags
};

struct Difference {
    DifferenceSide before, after;
    bool turned = false;             ///< the snapshots were given the other way round
    bool restarted = false;          ///< in between: what is in use is compared, activity is not
    bool activity = true;            ///< allocations and frees were compared
    bool other_machine = false;      ///< both name their machine, and not the same
    std::optional<double> hours;     ///< between the two
    std::size_t wraps = 0;           ///< of 32-bit counters in between
    std::vector<TagDifference> rows; ///< by growth in bytes, the most first; those that cannot be compared last
    Coverage coverage;
};

/// What happened to each tag between two snapshots. The later one counts as the second, whatever their order.
[[nodiscard]] Difference difference(const Snapshot& a, const Snapshot& b);

} // namespace poolkd::hunt
