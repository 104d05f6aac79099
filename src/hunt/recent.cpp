#include "hunt/recent.h"

namespace poolkd::hunt {

void RecentSnapshots::add(Snapshot snapshot) {
    if (kept_.size() >= most_) {
        std::deque<Snapshot> thinner;
        for (std::size_t i = 0; i < kept_.size(); ++i)
            if (i % 2 == 0 || i + 2 >= kept_.size()) thinner.push_back(std::move(kept_[i]));
        kept_ = std::move(thinner);
    }
    kept_.push_back(std::move(snapshot));
}

std::unique_ptr<SnapshotSource> RecentSnapshots::source() const {
    return view_snapshots(kept_);
}

} // namespace poolkd::hunt
