#pragma once

#include "hunt/evidence_head.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// One tag over the whole evidence. Bytes and blocks are those in use.
struct TagTrend {
    TagKey key;
    double first = 0, last = 0, least = 0, most = 0; ///< bytes, of every snapshot that knows the tag
    double first_blocks = 0, last_blocks = 0;
    std::size_t samples = 0;              ///< snapshots that know it
    double gained = 0, gained_blocks = 0; ///< since the last restart
    std::optional<double> bytes_per_hour; ///< `gained` over the time it took
    std::vector<double> points;           ///< bytes, evenly in time, as many as `Trend::points`; NaN: not known
};

struct Trend : EvidenceHead {
    std::size_t restarts = 0;
    std::vector<double> restarted_at; ///< places of the restarts, 0 (begin) to 1 (end); one for those that lie close
    std::size_t tags_total = 0;       ///< in the evidence, whether they were asked for or not
    std::size_t points = 0;           ///< that each tag has; the first is at the begin, the last at the end
    std::vector<TagTrend> tags;       ///< that were asked for, by key

    static constexpr std::size_t most_points = 240;
};

struct TrendOptions {
    std::vector<std::string> patterns; ///< as `tag_matches` takes them; none: all tags
    std::optional<PoolKind> kind;

    [[nodiscard]] bool wants(const TagKey& key) const;
};

/// Reads a source to its end. Memory grows with the number of tags, not with that of snapshots. What the user's stop
/// cuts off is missing at the end, and the coverage says so. Errors: those of the source; `not_found` when it holds no
/// snapshot.
Result<Trend> read_trend(SnapshotSource& source, const TrendOptions& options, Work& work);

} // namespace poolkd::hunt
