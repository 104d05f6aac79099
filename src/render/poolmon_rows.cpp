#include "hunt/counters.h"
#include "render/poolmon.h"

#include <algorithm>
#include <map>

namespace poolkd::render {

namespace {

using hunt::TagCounts;
using hunt::TagKey;

bool wanted(const TagKey& key, const PoolmonView& view) {
    if (view.kinds == PoolmonKinds::nonpaged && key.kind != hunt::PoolKind::nonpaged) return false;
    if (view.kinds == PoolmonKinds::paged && key.kind != hunt::PoolKind::paged) return false;
    auto matches = [&](const std::string& pattern) { return tag_matches(key.tag, pattern); };
    if (!view.include.empty() && std::ranges::none_of(view.include, matches)) return false;
    return std::ranges::none_of(view.exclude, matches);
}

std::int64_t bytes_per_block(std::int64_t bytes, std::int64_t blocks) {
    return blocks == 0 ? 0 : bytes / blocks;
}

void add_changes(PoolmonRow& row, const TagCounts* before) {
    // A tag that was not there before has come up since, from nothing.
    const TagCounts none;
    const TagCounts& old = before ? *before : none;
    row.allocs_change = static_cast<std::int64_t>(hunt::advance(old.allocs, row.allocs));
    row.frees_change = static_cast<std::int64_t>(hunt::advance(old.frees, row.frees));
    row.bytes_change = row.bytes - old.bytes;
    row.per_alloc_change = row.per_alloc - bytes_per_block(old.bytes, hunt::blocks_in_use(old));
    row.changed = row.allocs_change != 0 || row.frees_change != 0 || row.bytes_change != 0;
}

/// The number that a row is sorted by, largest first.
std::int64_t sort_number(const PoolmonRow& row, const PoolmonView& view) {
    switch (view.sort) {
    case PoolmonSort::allocs: return view.by_change ? row.allocs_change : static_cast<std::int64_t>(row.allocs);
    case PoolmonSort::frees: return view.by_change ? row.frees_change : static_cast<std::int64_t>(row.frees);
    case PoolmonSort::difference: return view.by_change ? row.allocs_change - row.frees_change : row.difference;
    case PoolmonSort::bytes: return view.by_change ? row.bytes_change : row.bytes;
    case PoolmonSort::per_alloc: return view.by_change ? row.per_alloc_change : row.per_alloc;
    case PoolmonSort::tag:
    case PoolmonSort::verdict: break;
    }
    return 0;
}

std::string driver_of(const PoolmonFrame& frame, PoolTag tag) {
    if (!frame.tags) return {};
    const auto entry = frame.tags->find(tag);
    if (!entry) return "Unknown Driver";
    std::string text = entry->binary.empty() ? "unknown" : entry->binary;
    if (!entry->description.empty()) text += " - " + entry->description;
    return "[" + text + "]";
}

} // namespace

std::vector<PoolmonRow> poolmon_rows(const PoolmonFrame& frame, const PoolmonView& view) {
    std::map<TagKey, std::size_t> judged; // the place in the report: the worst first
    if (frame.report)
        for (std::size_t i = 0; i < frame.report->rows.size(); ++i)
            judged.emplace(frame.report->rows[i].key, i);
    const bool restarted = frame.before && hunt::restarted_between(*frame.before, *frame.now);
    std::vector<PoolmonRow> rows;
    auto old = frame.before ? frame.before->rows.begin() : std::vector<TagCounts>::const_iterator{};
    for (const TagCounts& counts : frame.now->rows) {
        if (!wanted(counts.key, view)) continue;
        PoolmonRow row;
        row.key = counts.key;
        row.allocs = counts.allocs;
        row.frees = counts.frees;
        row.bytes = counts.bytes;
        row.difference = hunt::blocks_in_use(counts);
        row.per_alloc = bytes_per_block(row.bytes, row.difference);
        if (frame.before && !restarted) {
            while (old != frame.before->rows.end() && old->key < counts.key)
                ++old;
            add_changes(row, old != frame.before->rows.end() && old->key == counts.key ? &*old : nullptr);
        }
        if (auto found = judged.find(counts.key); found != judged.end())
            row.verdict = &frame.report->rows[found->second];
        if (view.drivers) row.driver = driver_of(frame, counts.key.tag);
        rows.push_back(std::move(row));
    }
    if (view.sort == PoolmonSort::tag) return rows; // as they are
    if (view.sort == PoolmonSort::verdict) {
        std::ranges::sort(rows, [](const PoolmonRow& a, const PoolmonRow& b) {
            if ((a.verdict != nullptr) != (b.verdict != nullptr)) return a.verdict != nullptr;
            if (a.verdict != b.verdict) return std::less<>{}(a.verdict, b.verdict); // rows of one vector, in its order
            return a.key < b.key;
        });
        return rows;
    }
    std::ranges::sort(rows, [&](const PoolmonRow& a, const PoolmonRow& b) {
        const std::int64_t left = sort_number(a, view), right = sort_number(b, view);
        return left != right ? left > right : a.key < b.key;
    });
    return rows;
}

} // namespace poolkd::render
