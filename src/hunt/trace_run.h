#pragma once

#include "hunt/trace.h"
#include "hunt/trace_arm.h"
#include "hunt/trace_clock.h"
#include "hunt/trace_places.h"
#include "hunt/trace_sites.h"
#include "hunt/trace_table.h"
#include "pool/find_block.h"
#include "pool/tag_counter.h"

#include <optional>
#include <set>
#include <vector>

namespace poolkd::hunt {

/// One trace, from the arming to the report.
class Tracer {
  public:
    Tracer(nt::Kernel& kernel, control::Controller& controller, const TraceOptions& options, Work& work,
           const TraceProgress& progress);
    Result<TraceReport> run();

  private:
    using HostClock = std::chrono::steady_clock;
    using MaybeStop = std::optional<control::StopReport>;

    /// An allocation whose block is seen when the allocator returns.
    struct Return {
        VirtAddr thread, address;
        VirtAddr sp; ///< of the allocator's frame: a return in a deeper call has a lower one
        TraceHit hit;
        ShownWords shown;
    };
    /// What a stop at an int 3 of the kernel's own is.
    enum class Seen { hit, other, cut_off };

    // The course of it: trace_run.cpp.
    Result<void> begin();
    Result<void> measure_baseline();
    Result<void> arm();
    /// Breakpoints on call sites in the place of PoolHitTag, for the reason told in a sentence.
    Result<void> fall_back(const std::string& reason);
    void loop();
    void finish();
    Result<MaybeStop> go_on(std::chrono::milliseconds limit);
    Result<MaybeStop> stop_target();
    [[nodiscard]] std::chrono::milliseconds time_left() const;
    void take(const control::StopReport& report);
    void take_error(const Error& error);
    void end_with(TraceEnd end);
    void check_silence();
    void pause_if_due();
    void restore();
    void settle();
    /// A stop after the end. False: it is none of the trace's.
    bool take_late(const control::StopReport& report);
    /// Something else stopped the target.
    void end_at(const control::StopReport& report);
    void drop_what_is_gone();
    [[nodiscard]] std::optional<std::uint64_t> counted();
    [[nodiscard]] bool is_break_in(const control::StopReport& report) const;

    // What a hit shows: trace_hit.cpp.
    Result<Seen> look(const control::StopReport& report);
    Result<Seen> look_at_site(const control::StopReport& report, const SiteBreakpoints::Site& site);
    /// The stack from these registers; nothing when the user cut the walk off.
    Result<std::optional<Answer<code::StackTrace>>> walk(const RegisterFile& registers);
    void learn_stack(const RegisterFile& registers, VirtAddr asked_until);
    /// The table's stack of the walk; nothing when the stop is none of the tag's.
    [[nodiscard]] std::optional<std::size_t> stack_of(const code::StackTrace& trace, const control::StopReport& report,
                                                      const SiteBreakpoints::Site* site);
    [[nodiscard]] TraceHit begin_hit(std::size_t stack, const control::StopReport& report,
                                     const code::StackTrace& trace);
    void find_block(TraceHit hit, const code::StackTrace& trace, std::size_t caller);
    [[nodiscard]] bool watch_return(TraceHit hit, VirtAddr address, VirtAddr sp, ShownWords shown);
    void find_freed(TraceHit& hit, const ShownWords& shown);
    void search_freed(TraceHit& hit, const ShownWords& shown);
    [[nodiscard]] std::optional<pool::PoolBlock> block_of_tag(VirtAddr body);
    [[nodiscard]] bool can_be_block(VirtAddr address, const ShownWords& shown) const;
    Result<void> returned(const control::StopReport& report);
    void forget_return(std::size_t index);
    void note(const TraceHit& hit);
    void note_process(TraceHit& hit);
    [[nodiscard]] bool skipped_by_sampling(VirtAddr ip);

    nt::Kernel& kernel_;
    control::Controller& controller_;
    const TraceOptions options_;
    Work& work_;
    const TraceProgress& progress_;
    TraceReport report_;
    HitTable table_;
    TraceClock clock_;
    PointerPlaces places_;
    std::optional<HitTag> hit_tag_;
    std::optional<SiteBreakpoints> sites_;
    std::optional<pool::BlockFinder> finder_;
    std::optional<pool::TagCounter> counter_;
    std::optional<pool::TagUsage> counts_before_;

    bool over_ = false;
    bool asked_ = false;            ///< the break-in is ours, not the user's
    bool break_in_pending_ = false; ///< another stop came before it
    bool ran_unseen_ = false;       ///< for a moment, at the end
    HostClock::time_point silence_due_{};
    std::chrono::milliseconds silence_{1000};
    std::uint64_t requests_before_ = 0;

    std::vector<Return> returns_;
    std::map<VirtAddr, std::uint32_t> return_breakpoints_; ///< their ids
    std::map<VirtAddr, std::size_t> stack_bytes_;          ///< that walks from a place have looked at
    std::set<VirtAddr> hit_places_; ///< where the kernel stopped for the tag: unsampled hits are told by it
    std::map<VirtAddr, std::pair<VirtAddr, std::string>> processes_; ///< of threads
    std::uint64_t modules_seen_ = 0;
    std::uint32_t to_skip_ = 0, random_ = 1; ///< of sampling
};

} // namespace poolkd::hunt
