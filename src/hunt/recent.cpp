#include "hunt/recent.h"

namespace poolkd::hunt {

namespace {

class KeptSource final : public SnapshotSource {
  public:
    explicit KeptSource(const std::deque<Snapshot>& kept) : kept_(kept) {}
    Result<bool> next(Snapshot& out, Work& work) override {
        if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped by the user");
        if (at_ == kept_.size()) return false;
        out = kept_[at_++];
        return true;
    }
    [[nodiscard]] std::optional<std::size_t> count() const override { return kept_.size(); }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    const std::deque<Snapshot>& kept_;
    std::size_t at_ = 0;
    std::vector<std::string> notes_;
};

} // namespace

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
    return std::make_unique<KeptSource>(kept_);
}

} // namespace poolkd::hunt
