#include "hunt/counters.h"

#include <algorithm>
#include <limits>

namespace poolkd::hunt {

namespace {

constexpr std::uint64_t bits32 = 1ull << 32, half32 = 1ull << 31;

/// What the common tags of two snapshots say together.
struct Falls {
    std::size_t common = 0;    ///< tags in both that were ever used
    std::size_t fell = 0;      ///< whose counters went back
    std::size_t no_wrap = 0;   ///< of these, in a way that no wrap explains
    bool bytes_went_on = true; ///< every tag that fell still holds half of what it held
};

Falls compare(const Snapshot& before, const Snapshot& after) {
    Falls falls;
    auto old = before.rows.begin();
    for (const TagCounts& row : after.rows) {
        while (old != before.rows.end() && old->key < row.key)
            ++old;
        if (old == before.rows.end()) break;
        if (old->key != row.key || old->allocs == 0) continue;
        ++falls.common;
        // Allocations alone: people compute frees from what is in use, and slip.
        if (row.allocs >= old->allocs) continue;
        ++falls.fell;
        if (!may_have_wrapped(old->allocs, row.allocs)) ++falls.no_wrap;
        if (row.bytes < old->bytes / 2) falls.bytes_went_on = false;
    }
    return falls;
}

} // namespace

bool may_have_wrapped(std::uint64_t before, std::uint64_t after) {
    return before < bits32 && after < before && after + bits32 - before < half32;
}

std::uint64_t advance(std::uint64_t before, std::uint64_t after) {
    if (after >= before) return after - before;
    return may_have_wrapped(before, after) ? after + bits32 - before : 0;
}

std::int64_t blocks_in_use(const TagCounts& counts) {
    if (counts.allocs >= counts.frees) return static_cast<std::int64_t>(counts.allocs - counts.frees);
    if (may_have_wrapped(counts.frees, counts.allocs))
        return static_cast<std::int64_t>(counts.allocs + bits32 - counts.frees);
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    return -static_cast<std::int64_t>(std::min(counts.frees - counts.allocs, most));
}

bool restarted_between(const Snapshot& before, const Snapshot& after) {
    if (before.uptime && after.uptime) return *after.uptime < *before.uptime;
    // Without activity the counts are blocks in use, which may fall at any time.
    if (!before.activity || !after.activity) return false;
    const Falls falls = compare(before, after);
    if (falls.fell == 0) return false;
    // A few odd rows of many are a reader's slip; after a restart most tags begin anew.
    if (falls.no_wrap > falls.common / 20) return true;
    return falls.fell > falls.common / 2 && !falls.bytes_went_on;
}

} // namespace poolkd::hunt
