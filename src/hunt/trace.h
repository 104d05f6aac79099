#pragma once

#include "base/coverage.h"
#include "code/frame.h"
#include "code/site_index.h"
#include "control/controller.h"
#include "hunt/snapshot.h"
#include "nt/kernel.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

enum class HitKind { allocation, release, unknown };

/// How a block pointer or a size of a hit is known.
enum class HowSure {
    unknown,
    likely, ///< one of several candidates that fit, or the only one of those that could be tried
    /// Seen as the return value or as an argument; or the pool's records prove it: what a learned place held is a block
    /// of the tag, or of all words that a free's stop shows only one leads to such a block.
    sure,
};

/// One stop: a block of the tag is handed out or given back.
struct TraceHit {
    HitKind kind = HitKind::unknown;
    VirtAddr block; ///< what the driver holds; zero: not known
    HowSure block_sure = HowSure::unknown;
    std::uint64_t size = 0; ///< bytes asked for or as the pool holds them; zero: not known
    HowSure size_sure = HowSure::unknown;
    std::optional<Time> time; ///< the target's
    std::uint16_t processor = 0;
    VirtAddr thread;
    VirtAddr process;
    std::string process_name;
    std::size_t stack = 0; ///< index in `TraceReport::stacks`
};

struct TraceFrame {
    VirtAddr address; ///< return address
    std::string text; ///< "leaky!LeakyBuildReport+0x2c"
    std::string module;
    std::string source;     ///< "report.cpp:12", or empty
    bool allocator = false; ///< of the pool itself: above the driver that called it
};

/// All hits that came the same way, with what became of their blocks.
struct TraceStack {
    HitKind kind = HitKind::unknown;
    std::vector<TraceFrame> frames; ///< innermost first
    std::size_t caller = 0;         ///< index of the first frame that is not the allocator's; frames.size(): none
    std::uint64_t allocations = 0, releases = 0;
    std::uint64_t outstanding = 0; ///< blocks allocated here that were not seen freed
    std::uint64_t outstanding_bytes = 0;
    std::uint64_t older = 0; ///< of them, older than the age threshold
    std::uint64_t early = 0; ///< of them, from the first third of the trace, by the target's clock
    std::optional<std::chrono::milliseconds> oldest, median_age;
    std::vector<VirtAddr> freed_by;         ///< of blocks from here: callers of the frees seen
    std::vector<std::string> freed_by_text; ///< the same in their order: "leaky!LeakyRetireEvent+0x14"
};

/// Gives the call sites of the loaded modules: asked only where the kernel does not stop at PoolHitTag.
using FindSites = std::function<Answer<std::vector<const code::ModuleSites*>>(Work&)>;

struct TraceOptions {
    PoolTag tag;
    std::optional<std::uint64_t> stops;            ///< end after so many
    std::optional<std::chrono::milliseconds> time; ///< or after so long
    std::optional<double> share;                   ///< part of the time in which the target may stand still, 0 to 1
    std::uint32_t sample = 1;                      ///< only each so-manieth hit is looked at in full, on average
    std::chrono::milliseconds age{0};              ///< `older` counts blocks that lived longer
    bool blocks = true;                            ///< find block pointers and sizes; costs further round trips
    std::size_t frames = 32;                       ///< of a stack at most
    /// Run before the trace begins, to measure how often the tag is used undisturbed; 0: not.
    std::chrono::milliseconds baseline{0};
    FindSites sites = {};       ///< empty: nothing but PoolHitTag can be used
    bool sites_at_once = false; ///< without trying PoolHitTag
};

enum class TraceEnd { limit, user, foreign_stop, restart, link };

/// How the kernel was made to stop.
enum class TraceMeans { hit_tag, call_sites };

struct TraceReport {
    TraceOptions options;
    TraceMeans means = TraceMeans::hit_tag;
    std::string means_note; ///< why not PoolHitTag, where it is not
    TraceEnd end = TraceEnd::limit;
    std::uint64_t hits = 0, sampled = 0;
    std::uint64_t allocations = 0, releases = 0, unknown = 0;
    std::uint64_t matched = 0;      ///< releases of blocks whose allocation was seen
    std::uint64_t older_blocks = 0; ///< releases of blocks from before the trace
    std::uint64_t freed_unseen = 0; ///< blocks that are gone though no hit showed who freed them
    std::uint64_t outstanding = 0, outstanding_bytes = 0;
    std::uint64_t blocks_sure = 0, blocks_likely = 0, blocks_unknown = 0; ///< of the hits looked at: their pointers
    std::vector<TraceStack> stacks;                                       ///< most outstanding blocks first
    std::vector<TraceHit> kept;                                           ///< the last hits, bounded
    std::chrono::milliseconds elapsed{0}, stopped{0}; ///< wall time, and how much of it the target stood still
    std::chrono::milliseconds paused{0};              ///< of the wall time: the kernel did not stop, to keep to `share`
    std::optional<double> slow_down; ///< hits a second of the tag's counters before, over those during the trace
    std::optional<double> rate_before, rate_during; ///< those, in allocations and frees a second
    /// What the kernel counted of the tag meanwhile, where its counters can be read: what no hit showed, too.
    std::optional<std::uint64_t> counted_allocations, counted_releases;
    std::uint64_t return_stops = 0; ///< further stops, at the allocator's return, to see the block
    std::uint64_t requests = 0;     ///< over the link, from the first hit on
    std::vector<std::string> notes;
    Coverage coverage;
};

/// Told after each hit.
using TraceProgress = std::function<void(const TraceReport&)>;

/// Stops the kernel at each allocation and free of the tag, and lets it go on. Target stands still before and after;
/// what it takes is undone whatever happens. Errors: only when tracing cannot begin.
Result<TraceReport> trace_tag(nt::Kernel& kernel, control::Controller& controller, const TraceOptions& options,
                              Work& work, const TraceProgress& progress = {});

} // namespace poolkd::hunt
