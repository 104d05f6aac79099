#pragma once

#include "control/controller.h"
#include "hunt/evidence.h"
#include "nt/kernel.h"

#include <chrono>
#include <optional>

namespace poolkd::hunt {

/// Reads the tag tables of a target that stands still. Time and uptime are the target's own (KUSER_SHARED_DATA): its
/// clocks stand still while it is stopped. Errors: those of `pool::read_usage`.
Result<Snapshot> take_snapshot(nt::Kernel& kernel, Work& work);

struct SamplePlan {
    std::chrono::milliseconds interval{1000};        ///< in which the target runs, between two snapshots
    std::optional<std::size_t> count;                ///< snapshots; nothing: until stopped
    std::optional<std::chrono::milliseconds> period; ///< from the first to the last; nothing: until stopped
};

/// What the snapshots cost the target.
struct SampleCost {
    std::size_t snapshots = 0;
    std::chrono::nanoseconds stopped{0};      ///< all together; from the stop to the resume
    std::chrono::nanoseconds stopped_last{0}; ///< the last time
    std::chrono::nanoseconds elapsed{0};      ///< since the first snapshot
    std::uint64_t bytes = 0;                  ///< received over the link
    std::uint64_t requests = 0;
};

/// A running kernel as a source of snapshots: lets it run, stops it, reads the tables, lets it run again. When the user
/// stops the work the series ends there, without an error. A stop that is not ours (an exception, a breakpoint) is
/// noted and ends it too, with the target left as it stands.
class LiveSource final : public SnapshotSource {
  public:
    LiveSource(nt::Kernel& kernel, control::Controller& controller, SamplePlan plan);
    Result<bool> next(Snapshot& out, Work& work) override;
    [[nodiscard]] std::optional<std::size_t> count() const override { return plan_.count; }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }
    [[nodiscard]] const SampleCost& cost() const { return cost_; }

  private:
    nt::Kernel& kernel_;
    control::Controller& controller_;
    SamplePlan plan_;
    SampleCost cost_;
    std::vector<std::string> notes_;
};

} // namespace poolkd::hunt
