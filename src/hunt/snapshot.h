#pragma once

#include "base/coverage.h"
#include "base/tag.h"

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt {

/// UTC, as far as the evidence states it.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

/// What a clock may show: the years 1980 to 2199. Evidence that holds anything else is damaged.
constexpr Time first_time{std::chrono::seconds(315'532'800)}, end_of_times{std::chrono::seconds(7'258'118'400)};

enum class PoolKind : std::uint8_t { nonpaged, paged };

/// PoolMon's word: "Nonp" or "Paged".
[[nodiscard]] std::string_view to_text(PoolKind kind);

/// What every counter belongs to. The order is that of the tag's text, as PoolMon and kd list tags.
struct TagKey {
    PoolTag tag; ///< without the protected bit
    PoolKind kind = PoolKind::nonpaged;

    bool operator==(const TagKey&) const = default;
    std::strong_ordering operator<=>(const TagKey& other) const {
        if (auto order = __builtin_bswap32(tag.value) <=> __builtin_bswap32(other.tag.value); order != 0) return order;
        return kind <=> other.kind;
    }
};

/// One tag's counters at one time, as the evidence has them: since boot, not yet unwrapped. Where the evidence tells
/// only what is in use (`Snapshot::activity` false), `allocs` is the number of blocks in use and `frees` 0.
struct TagCounts {
    TagKey key;
    std::uint64_t allocs = 0;
    std::uint64_t frees = 0;
    std::int64_t bytes = 0; ///< in use

    bool operator==(const TagCounts&) const = default;
};

/// What the evidence says of the machine's memory, in bytes; what it does not say is empty.
struct MemoryFacts {
    std::optional<std::uint64_t> physical, available;
    std::optional<std::uint64_t> commit, commit_limit, commit_peak;
    std::optional<std::uint64_t> nonpaged, paged;             ///< pool in use
    std::optional<std::uint64_t> nonpaged_limit, paged_limit; ///< what the pool can grow to

    bool operator==(const MemoryFacts&) const = default;
};

/// Calls `use(name, value)` with each of the facts, under the names that JSON has for them.
template <class Facts, class Use>
void for_each_fact(Facts& memory, Use use) {
    use("physical", memory.physical);
    use("available", memory.available);
    use("commit", memory.commit);
    use("commit_limit", memory.commit_limit);
    use("commit_peak", memory.commit_peak);
    use("nonpaged", memory.nonpaged);
    use("paged", memory.paged);
    use("nonpaged_limit", memory.nonpaged_limit);
    use("paged_limit", memory.paged_limit);
}

/// One reading of all tags at one time, from any evidence.
struct Snapshot {
    std::optional<Time> time;
    bool time_assumed = false; ///< from the file's date or a given interval, not from the evidence itself
    std::optional<std::chrono::milliseconds> uptime;
    std::string machine;  ///< empty: not stated
    std::string evidence; ///< for people: "poolsnap.log", "poolmon.log, line 40", "live kernel over KD"
    bool activity = true; ///< allocations and frees are known, not only what is in use
    bool whole = true;    ///< every tag is there; false for the top of a screen: an absent tag means nothing then
    MemoryFacts memory;
    std::vector<TagCounts> rows; ///< by key, each key once (`sort_rows`)
    Coverage coverage;
};

/// Puts rows into the order of their keys and adds up rows of one key (evidence may list a tag a session or a
/// processor at a time).
void sort_rows(std::vector<TagCounts>& rows);

} // namespace poolkd::hunt
