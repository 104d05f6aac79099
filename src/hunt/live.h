#pragma once

#include "control/controller.h"
#include "hunt/evidence.h"
#include "nt/kernel.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>

namespace poolkd::hunt {

/// Reads the tag tables of a target that stands still. Time and uptime are the target's own (KUSER_SHARED_DATA): its
/// clocks stand still while it is stopped. Errors: those of `pool::read_usage`.
Result<Snapshot> take_snapshot(nt::Kernel& kernel, Work& work);

struct SamplePlan {
    std::chrono::milliseconds interval{1000};        ///< in which the target runs, between two snapshots
    std::optional<std::size_t> count;                ///< snapshots; nothing: until stopped
    std::optional<std::chrono::milliseconds> period; ///< from the first to the last; nothing: until stopped
    std::string machine;                             ///< for the snapshots; empty: the connection
};

/// What the snapshots cost the target.
struct SampleCost {
    std::size_t snapshots = 0;
    std::chrono::nanoseconds stopped{0};      ///< all together; from the stop to the resume
    std::chrono::nanoseconds stopped_last{0}; ///< the last time
    std::chrono::nanoseconds stopped_longest{0};
    std::chrono::nanoseconds elapsed{0}; ///< since the first snapshot was begun
    std::uint64_t bytes = 0;             ///< received over the link while it was stopped
    std::uint64_t requests = 0;

    /// Part of the time in which the target stood still, 0 to 1.
    [[nodiscard]] double share() const;
};

/// How a series came to its end.
enum class SeriesEnd {
    none,         ///< it has not
    planned,      ///< count or period are reached
    user,         ///< the user stopped the work
    foreign_stop, ///< the target stopped by itself, and stands there
};

/// A running kernel as a source of snapshots: lets it run, stops it, reads the tables, lets it run again. The target
/// runs between two calls of `next`, and after the last. When the user stops the work the series ends there, without an
/// error; the request counts as answered and is cleared, so that what was gathered can still be worked on. A stop that
/// is not ours (an exception, a breakpoint) is noted and ends it too, with the target left as it stands; a restart of
/// the target does not. A snapshot that the user cut off is not handed out.
class LiveSource final : public SnapshotSource {
  public:
    LiveSource(nt::Kernel& kernel, control::Controller& controller, SamplePlan plan);
    Result<bool> next(Snapshot& out, Work& work) override;
    [[nodiscard]] std::optional<std::size_t> count() const override { return plan_.count; }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }
    [[nodiscard]] const SampleCost& cost() const { return cost_; }
    [[nodiscard]] SeriesEnd end() const { return end_; }

    /// Called several times a second while the target runs; true: the next snapshot is wanted now.
    using Tick = std::function<bool()>;
    void on_tick(Tick tick) { tick_ = std::move(tick); }
    /// Called when the target stopped by itself: whoever owns it must not let it go on.
    void on_foreign_stop(std::function<void()> told) { foreign_stop_ = std::move(told); }

  private:
    using Clock = std::chrono::steady_clock;

    /// False: the series ends here.
    Result<bool> let_run(Work& work);
    Result<bool> stop_target(Work& work);
    Result<void> resume();
    [[nodiscard]] bool foreign(const control::StopReport& report);

    nt::Kernel& kernel_;
    control::Controller& controller_;
    SamplePlan plan_;
    SampleCost cost_;
    std::vector<std::string> notes_;
    SeriesEnd end_ = SeriesEnd::none;
    Tick tick_;
    std::function<void()> foreign_stop_;
    Clock::time_point begun_{}, stopped_at_{}, resumed_at_{};
    std::uint64_t bytes_before_ = 0, requests_before_ = 0;
};

} // namespace poolkd::hunt
