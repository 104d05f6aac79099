#include "hunt/import/assumed_times.h"

#include <fmt/format.h>

#include <utility>

namespace poolkd::hunt::import {

namespace {

using std::chrono::milliseconds;

class TimedSource final : public SnapshotSource {
  public:
    TimedSource(Input input, OpenReader open, std::unique_ptr<Reader> reader, std::optional<milliseconds> interval)
        : input_(std::move(input)), open_(std::move(open)), reader_(std::move(reader)), interval_(interval) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        if (!started_) {
            POOLKD_CHECK(start(work));
        }
        if (!have_next_) {
            notes_ = reader_->notes();
            if (!assumption_.empty()) notes_.push_back(assumption_);
            if (disorder_) notes_.emplace_back("The snapshots are not in the order of time");
            return false;
        }
        std::swap(out, next_);
        set_time(out);
        POOLKD_TRY(have_next_, reader_->next(next_, work));
        return true;
    }

    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    /// Looks at the first two snapshots: whether they bear times, and whether the first is the only one.
    Result<void> start(Work& work) {
        started_ = true;
        POOLKD_TRY(have_next_, reader_->next(next_, work));
        if (!have_next_) return {};
        if (next_.time) {
            step_ = interval_.value_or(step_);
            return {};
        }
        Snapshot second;
        POOLKD_TRY(const bool more, reader_->next(second, work));
        const std::optional<milliseconds> interval = reader_->own_interval() ? reader_->own_interval() : interval_;
        std::size_t count = more ? 2 : 1;
        if (more && interval) {
            POOLKD_TRY(count, count_snapshots(work));
        }
        // Back to the first: the reader begins anew rather than hold two snapshots.
        POOLKD_TRY(reader_, open_(input_));
        POOLKD_TRY(have_next_, reader_->next(next_, work));

        if (count == 1 && input_.modified) {
            following_ = input_.modified;
            assumption_ = "The time is that of the file: the evidence states none";
        } else if (interval) {
            step_ = *interval;
            following_ = input_.modified.value_or(Time{}) - static_cast<int>(count - 1) * *interval;
            assumption_ = fmt::format("The times are assumed, {} s apart: the evidence states none",
                                      static_cast<double>(interval->count()) / 1000);
        } else if (more) {
            assumption_ = "The evidence states no times; give the interval between the snapshots";
        }
        return {};
    }

    Result<std::size_t> count_snapshots(Work& work) {
        if (reader_->own_interval()) return 2;
        Snapshot scratch;
        std::size_t count = 2;
        for (;; ++count) {
            POOLKD_TRY(const bool more, reader_->next(scratch, work));
            if (!more) return count;
        }
    }

    void set_time(Snapshot& snapshot) {
        if (!snapshot.time && following_) {
            snapshot.time = following_;
            snapshot.time_assumed = true;
            if (assumption_.empty()) assumption_ = "Some times are assumed: the evidence does not state them all";
        }
        if (!snapshot.time) return;
        if (last_ && *snapshot.time < *last_) disorder_ = true;
        last_ = snapshot.time;
        // A single time of the file is not handed on: without a step nothing follows.
        following_ = step_.count() != 0 ? std::optional<Time>(*snapshot.time + step_) : std::nullopt;
    }

    Input input_;
    OpenReader open_;
    std::unique_ptr<Reader> reader_;
    std::optional<milliseconds> interval_;
    Snapshot next_;
    bool have_next_ = false, started_ = false, disorder_ = false;
    std::optional<Time> following_, last_;
    milliseconds step_{0};
    std::string assumption_;
    std::vector<std::string> notes_;
};

} // namespace

Result<std::unique_ptr<SnapshotSource>> with_times(Input input, const OpenReader& open,
                                                   const EvidenceOptions& options) {
    POOLKD_TRY(auto reader, open(input));
    return std::make_unique<TimedSource>(std::move(input), open, std::move(reader), options.interval);
}

} // namespace poolkd::hunt::import
