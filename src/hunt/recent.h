#pragma once

#include "hunt/evidence.h"

#include <deque>
#include <memory>

namespace poolkd::hunt {

/// The snapshots of a live view, bounded: when they become too many, every second of them but the last two is
/// forgotten, so that what is kept reaches back to the start, and the older the sparser.
class RecentSnapshots {
  public:
    explicit RecentSnapshots(std::size_t most = 256) : most_(most < 4 ? 4 : most) {}

    void add(Snapshot snapshot);
    [[nodiscard]] std::size_t size() const { return kept_.size(); }
    /// Null while there is none.
    [[nodiscard]] const Snapshot* last() const { return kept_.empty() ? nullptr : &kept_.back(); }
    [[nodiscard]] const Snapshot* before_last() const { return kept_.size() < 2 ? nullptr : &kept_[kept_.size() - 2]; }
    /// All of them, oldest first. Holds while none is added.
    [[nodiscard]] std::unique_ptr<SnapshotSource> source() const;

  private:
    std::size_t most_;
    std::deque<Snapshot> kept_;
};

} // namespace poolkd::hunt
