#pragma once

#include "base/error.h"
#include "base/work.h"
#include "hunt/evidence.h"
#include "hunt/tag_list.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt {

/// What the counters say of one tag in one kind of pool.
enum class Verdict {
    leaking,   ///< blocks pile up that nothing gives back
    growing,   ///< it grows, and load or a cache would look the same: cannot tell yet
    flat,      ///< no lasting change
    sawtooth,  ///< grows and falls back, without growing in the end
    falling,   ///< gets smaller
    undecided, ///< too few snapshots to say any of these
};

/// "leaking", …
[[nodiscard]] std::string_view to_text(Verdict verdict);

/// The figures behind a verdict. Those that the evidence cannot give are empty.
struct Figures {
    std::size_t samples = 0; ///< snapshots that know the tag, of the boot that is judged (at most 1,024, evenly taken)
    std::int64_t blocks = 0; ///< in use at the end
    std::int64_t bytes = 0;
    std::int64_t blocks_gained = 0; ///< from the first to the last of these snapshots
    std::int64_t bytes_gained = 0;
    std::optional<double> share;           ///< of all bytes of its pool at the end, 0 to 1
    std::optional<double> freed_share;     ///< frees per allocation within the evidence; with one snapshot since boot
    std::optional<double> bytes_per_hour;  ///< Theil–Sen slope; with one snapshot the mean since boot
    std::optional<double> blocks_per_hour; ///< the same in blocks
    std::optional<double> rising_share;    ///< of the stretches of the evidence in which the floor rose, 0 to 1
    std::optional<double> trend_p;         ///< chance of such a rise of the floor without a trend
    std::optional<double> recent_pace;     ///< growth of the last third against the mean; 1: as before, 0: it stopped
    std::optional<double> residence_ratio; ///< how much longer blocks live at the end than at the start (Little's law)
    std::optional<double> bytes_per_block; ///< of what was gained
    bool uniform_sizes = false;            ///< what was gained has blocks of one size
    std::optional<double> exhausted_hours; ///< until its pool (or the commit limit) is full at this pace
};

struct TagVerdict {
    TagKey key;
    Verdict verdict = Verdict::undecided;
    double confidence = 0;            ///< in the verdict, 0 to 1
    std::vector<std::string> reasons; ///< sentences, the weightiest first
    Figures figures;
    std::optional<std::size_t> group; ///< index in `Report::groups`
    std::string binary;               ///< of the tag lists or the layer table; empty: unknown
    std::string description;
    std::vector<double> chart; ///< bytes in use over the evidence, at most `chart_points` of them, evenly in time

    static constexpr std::size_t chart_points = 60;
};

/// Tags that grow in fixed ratios: one leak.
struct LeakGroup {
    struct Member {
        std::size_t row = 0; ///< index in `Report::rows`
        double ratio = 1;    ///< blocks gained for one of the owner
        std::string layer;   ///< what the layer table calls it: "filter context", "file system structure", …
    };
    std::vector<Member> members; ///< the likely owner first, then upper layers before lower ones
    std::string reason;          ///< why the first is the likely owner
    double confidence = 0;       ///< that it is
    std::int64_t bytes = 0;      ///< in use, together
    std::optional<double> bytes_per_hour;
};

/// What to do next, and why.
struct Advice {
    std::string command; ///< to be typed; empty when it is no command
    std::string why;
};

struct Report {
    std::size_t snapshots = 0;
    std::optional<Time> first, last;
    bool times_assumed = false;
    std::optional<std::chrono::milliseconds> uptime; ///< at the end
    std::string machine;
    std::vector<std::string> evidence;                ///< what was read
    std::size_t restarts = 0;                         ///< of the machine, within the evidence
    std::size_t wraps = 0;                            ///< of 32-bit counters
    bool activity = true;                             ///< frees are known, not only what is in use
    bool whole = true;                                ///< all tags were there
    MemoryFacts memory;                               ///< at the end
    std::int64_t nonpaged_bytes = 0, paged_bytes = 0; ///< of all tags at the end
    std::vector<TagVerdict> rows;                     ///< the worst first: by verdict, then by growth
    std::vector<LeakGroup> groups;
    std::vector<Advice> advice;
    std::vector<std::string> notes; ///< of the readers
    Coverage coverage;
};

struct VerdictOptions {
    const TagLists* tags = nullptr; ///< null: the layer table alone
    /// Bytes at which the pool is full, where the user knows it.
    std::optional<std::uint64_t> limit;
};

/// Judges every tag. Reads each snapshot once; memory is bounded by the number of tags, not of snapshots. Errors: those
/// of the source; kind `stopped`; `not_found` when the evidence holds no snapshot.
Result<Report> judge(SnapshotSource& source, const VerdictOptions& options, Work& work);

} // namespace poolkd::hunt
