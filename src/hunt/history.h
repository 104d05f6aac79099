#pragma once

#include "hunt/evidence_head.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// One tag's course over the evidence: a value for each point of `History::hours`, NaN where the evidence did not say.
struct TagHistory {
    TagKey key;
    std::vector<double> allocs; ///< since boot, without wraps; empty when the evidence has no activity
    std::vector<double> blocks; ///< in use
    std::vector<double> bytes;  ///< in use
};

/// All tags over time, thinned out: at most `max_points` snapshots are kept, evenly, and always the last one. A tag
/// that appears where all snapshots before were whole, and listed also what was freed, was never used before: it has
/// zeros there. Counters are followed through every snapshot, so that wraps and restarts between the kept ones are
/// seen.
struct History : EvidenceHead {
    std::vector<double>
        hours; ///< of each point since the first, never falling; the number of the snapshot when `timed` is false
    std::vector<std::uint32_t> boot; ///< of each point: 0 before the first restart, 1 after it, …
    bool timed = true;               ///< every snapshot bears a time
    std::vector<TagHistory> tags;    ///< by key

    std::size_t wraps = 0;
    MemoryFacts memory; ///< at the end

    static constexpr std::size_t max_points = 1024;
    static constexpr std::size_t max_cells = 8'000'000; ///< tags times points: of very many tags fewer points are kept
    [[nodiscard]] std::size_t restarts() const { return boot.empty() ? 0 : boot.back(); }
};

/// Reads a source to its end. What the user's stop cuts off is missing at the end, and the coverage says so. Errors:
/// those of the source.
Result<History> read_history(SnapshotSource& source, Work& work);

} // namespace poolkd::hunt
