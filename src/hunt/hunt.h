#pragma once

#include "base/coverage.h"
#include "code/pool_sites.h"
#include "hunt/trace.h"
#include "hunt/verdict.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {
class SiteStore;
}

namespace poolkd::hunt {

/// A call site of a suspect's tag, with all that speaks for or against it.
struct SuspectSite {
    std::string module;  ///< "leaky"
    code::PoolSite site; ///< from the index; only `rva` and `function` where it was seen on a stack alone
    bool from_index = false, from_trace = false, from_retag = false;
    std::optional<std::uint64_t> blocks, bytes; ///< that are held, as far as attributed to this site
    std::uint64_t seen_allocated = 0, seen_freed = 0;
    double confidence = 0; ///< that blocks pile up from here, 0 to 1
    std::string reason;

    /// Said to leak; below that it is only a place that may.
    [[nodiscard]] bool accused() const { return confidence >= accusing; }
    static constexpr double accusing = 0.5;
};

/// Who may own a tag.
struct SuspectOwner {
    std::string image; ///< "leaky.sys"
    bool unloaded = false;
    double confidence = 0;
    std::vector<std::string> reasons; ///< sentences, the weightiest first
    std::vector<std::string> against;
};

/// Blocks of one size.
struct SizeShare {
    std::uint64_t size = 0; ///< bytes, header included
    std::uint64_t blocks = 0;
};

struct Suspect {
    std::size_t row = 0;              ///< index in `HuntReport::verdict.rows`
    std::vector<SuspectOwner> owners; ///< the likeliest first
    std::vector<SuspectSite> sites;   ///< the likeliest first
    std::optional<TraceReport> trace;
    std::vector<SizeShare> sizes; ///< most blocks first, bounded
    std::uint64_t blocks_found = 0, blocks_counted = 0;
    std::string holders;              ///< who still holds the blocks, in a sentence; empty: not looked at
    bool orphaned = false;            ///< whoever could free the blocks is gone: their number need not grow
    double confidence = 0;            ///< in the whole answer: tag, owner and site
    std::string conclusion;           ///< the answer in a sentence or two
    std::vector<std::string> unknown; ///< what cannot be told of it, and what would tell
    std::string signature;            ///< the same for two reports of one leak
    std::vector<Advice> confirm;      ///< commands that confirm or refute it
};

/// One step of what the hunt does or did.
struct HuntStep {
    std::string text;
    bool done = false;
    std::string outcome; ///< in a sentence
};

struct HuntReport {
    std::string title;   ///< the headline in a sentence
    std::string program; ///< "poolkd 0.6"
    std::string target;  ///< what `vertarget` says in a line
    Report verdict;
    std::vector<Suspect> suspects; ///< the worst first
    std::vector<HuntStep> steps;
    std::vector<std::string> not_visible;  ///< what the evidence could not show
    std::vector<std::string> alternatives; ///< other readings of the same evidence
    std::vector<Advice> confirm;           ///< steps to confirm the first suspect, and what else is advised
    std::string signature;                 ///< of the first suspect
    bool partial = false;                  ///< stopped by the user
    bool tag_missing = false;              ///< the tag that was asked for is not in the evidence
    std::chrono::milliseconds took{0};
    Coverage coverage;
};

struct HuntOptions {
    /// For the whole, on a live target: counters, traces and memory share it. Nothing on an image: as long as it takes.
    std::optional<std::chrono::milliseconds> budget;
    std::optional<PoolTag> tag; ///< only this one, whatever its verdict
    std::size_t top = 12;       ///< tags that are looked into at most
    VerdictOptions verdict;
    std::string program, target; ///< for the report
    std::string machine;         ///< for the snapshots of a live target; empty: the connection
};

/// What there is to hunt in. Counters come from `series`, or are taken from the live target; where in the code comes
/// from the kernel.
struct HuntInput {
    SnapshotSource* series = nullptr;          ///< null: a live target is sampled
    nt::Kernel* kernel = nullptr;              ///< null: counters only
    control::Controller* controller = nullptr; ///< null: the kernel is an image
    code::SiteStore* sites = nullptr;          ///< with `kernel`
    HuntOptions options;
    std::function<void(const HuntReport&)> on_plan; ///< before the first step
    std::function<void(const HuntStep&)> on_step;   ///< before and after each
    std::function<void()> on_foreign_stop;          ///< the target stopped by itself, and must stay so
};

/// What the hunt will do with this evidence.
[[nodiscard]] std::vector<HuntStep> plan_of(const HuntInput& input);

/// Finds which tags leak, who owns them and from where. When the user stops the work, the report tells what there is by
/// then (`partial`). A live target stands still or runs before, and stands still afterwards. Errors: there are no
/// counters to judge by.
Result<HuntReport> hunt(HuntInput& input, Work& work);

} // namespace poolkd::hunt
