#include "hunt/difference.h"

#include "base/text.h"
#include "hunt/counters.h"

#include <algorithm>
#include <tuple>

namespace poolkd::hunt {

namespace {

DifferenceSide side_of(const Snapshot& snapshot) {
    DifferenceSide side{snapshot.time,     snapshot.time_assumed, snapshot.uptime, snapshot.machine,
                        snapshot.evidence, snapshot.activity,     snapshot.whole};
    for (const TagCounts& row : snapshot.rows) {
        std::int64_t& bytes = row.key.kind == PoolKind::paged ? side.paged_bytes : side.nonpaged_bytes;
        bytes = saturating_plus(bytes, row.bytes);
    }
    return side;
}

InUse in_use(const TagCounts& row) {
    return {blocks_in_use(row), row.bytes};
}

/// Goes through two sorted lists of rows side by side; either pointer is null where a list lacks the tag.
template <class Visit>
void side_by_side(const std::vector<TagCounts>& before, const std::vector<TagCounts>& after, Visit visit) {
    auto old = before.begin();
    auto now = after.begin();
    while (old != before.end() || now != after.end()) {
        const bool take_old = now == after.end() || (old != before.end() && old->key <= now->key);
        const bool take_now = old == before.end() || (now != after.end() && now->key <= old->key);
        visit(take_old ? &*old : nullptr, take_now ? &*now : nullptr);
        if (take_old) ++old;
        if (take_now) ++now;
    }
}

class Comparison {
  public:
    Comparison(const Snapshot& before, const Snapshot& after) : before_(before), after_(after) {
        result_.before = side_of(before);
        result_.after = side_of(after);
        result_.restarted = restarted_between(before, after);
        result_.activity = before.activity && after.activity && !result_.restarted;
        result_.other_machine =
            !before.machine.empty() && !after.machine.empty() && !equals_ignore_case(before.machine, after.machine);
        if (before.time && after.time)
            result_.hours = std::chrono::duration<double, std::ratio<3600>>(*after.time - *before.time).count();
        result_.coverage.merge(before.coverage);
        result_.coverage.merge(after.coverage);
    }

    Difference run() {
        side_by_side(before_.rows, after_.rows, [&](const TagCounts* old, const TagCounts* now) { add(old, now); });
        std::ranges::sort(result_.rows, [](const TagDifference& a, const TagDifference& b) {
            // The most first: the figures change sides, the keys do not.
            return std::tuple(!a.comparable(), b.bytes(), b.blocks(), a.key) <
                   std::tuple(!b.comparable(), a.bytes(), a.blocks(), b.key);
        });
        return std::move(result_);
    }

  private:
    void add(const TagCounts* old, const TagCounts* now) {
        using enum TagDifference::Presence;
        TagDifference row;
        row.key = (old ? old : now)->key;
        row.presence = old && now ? both
                       : now      ? (before_.whole ? appeared : only_after)
                                  : (after_.whole ? gone : only_before);
        if (old) row.before = in_use(*old);
        if (now) row.after = in_use(*now);
        if (row.presence == appeared) row.before.emplace();
        if (row.presence == gone) row.after.emplace();
        // A tag that left a table that also lists what was freed: nobody knows what it did before.
        if (result_.activity && now && row.comparable()) {
            row.allocs = old ? follow(old->allocs, now->allocs) : now->allocs;
            row.frees = old ? follow(old->frees, now->frees) : now->frees;
            if (*row.allocs > 0) row.freed_share = static_cast<double>(*row.frees) / static_cast<double>(*row.allocs);
        }
        if (result_.hours && *result_.hours > 0 && row.comparable() && !result_.restarted)
            row.bytes_per_hour = static_cast<double>(row.bytes()) / *result_.hours;
        result_.rows.push_back(row);
    }

    std::uint64_t follow(std::uint64_t before, std::uint64_t after) {
        if (after < before && may_have_wrapped(before, after)) ++result_.wraps;
        return advance(before, after);
    }

    const Snapshot& before_;
    const Snapshot& after_;
    Difference result_;
};

} // namespace

Difference difference(const Snapshot& a, const Snapshot& b) {
    const bool turned = a.time && b.time && *b.time < *a.time;
    Difference result = turned ? Comparison(b, a).run() : Comparison(a, b).run();
    result.turned = turned;
    return result;
}

} // namespace poolkd::hunt
