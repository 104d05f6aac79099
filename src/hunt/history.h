#pragma once

#include "base/work.h"
#include "hunt/evidence.h"

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

/// All tags over time, thinned out: at most `max_points` snapshots are kept, evenly, and always the last one. Counters
/// are followed through every snapshot, so that wraps and restarts between the kept ones are seen.
struct History {
    std::vector<double> hours; ///< of each point since the first; the number of the snapshot when `timed` is false
    std::vector<std::uint32_t> boot; ///< of each point: 0 before the first restart, 1 after it, …
    bool timed = true;               ///< every snapshot bears a time
    bool activity = true;
    bool whole = true;
    std::vector<TagHistory> tags; ///< by key

    std::size_t snapshots = 0; ///< that were read
    std::size_t wraps = 0;
    std::optional<Time> first, last;
    bool times_assumed = false;
    std::optional<std::chrono::milliseconds> uptime; ///< at the end
    std::string machine;
    std::vector<std::string> evidence;
    MemoryFacts memory; ///< at the end
    Coverage coverage;

    static constexpr std::size_t max_points = 1024;
    [[nodiscard]] std::size_t restarts() const { return boot.empty() ? 0 : boot.back(); }
};

/// Reads a source to its end. What the user's stop cuts off is missing at the end, and the coverage says so. Errors:
/// those of the source.
Result<History> read_history(SnapshotSource& source, Work& work);

} // namespace poolkd::hunt
