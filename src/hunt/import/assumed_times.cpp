#include "hunt/import/assumed_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace poolkd::hunt::import {

namespace {

using std::chrono::milliseconds;

/// How many rows are sorted in memory: 256 MB.
constexpr std::size_t most_sorted_rows = 8'000'000;

/// Gives times to snapshots that follow each other.
struct Clock {
    milliseconds step{0};
    std::optional<Time> following, last;
    bool assumed = false, disorder = false, missing = false;

    void set(Snapshot& snapshot) {
        if (!snapshot.time && following) {
            snapshot.time = following;
            snapshot.time_assumed = assumed = true;
        }
        if (!snapshot.time) {
            missing = true;
            return;
        }
        if (last && *snapshot.time < *last) disorder = true;
        last = snapshot.time;
        // A single time of the file is not handed on: without a step nothing follows.
        following = step.count() != 0 ? std::optional<Time>(*snapshot.time + step) : std::nullopt;
    }
};

class TimedSource final : public SnapshotSource {
  public:
    TimedSource(Input input, OpenReader open, std::unique_ptr<Reader> reader, std::optional<milliseconds> interval)
        : input_(std::move(input)), open_(std::move(open)), reader_(std::move(reader)), interval_(interval) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        if (!started_) {
            POOLKD_CHECK(start(work));
        }
        if (!sorted_.empty()) {
            out = std::move(sorted_.front());
            sorted_.pop_front();
            return true;
        }
        if (!have_next_) {
            write_notes();
            return false;
        }
        std::swap(out, next_);
        clock_.set(out);
        if (timeless_) {
            out.time.reset();
            out.time_assumed = false;
        }
        POOLKD_TRY(have_next_, reader_->next(next_, work));
        return true;
    }

    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    Result<void> start(Work& work) {
        started_ = true;
        POOLKD_TRY(have_next_, reader_->next(next_, work));
        if (!have_next_) return {};
        if (next_.time)
            clock_.step = interval_.value_or(clock_.step);
        else
            POOLKD_CHECK(assume(work));
        if (reader_->in_order_of_time() || (!next_.time && !clock_.following)) return {};
        return look_through(work);
    }

    /// Looks at the first two snapshots: whether the first, which bears no time, is the only one.
    Result<void> assume(Work& work) {
        Snapshot second;
        POOLKD_TRY(const bool more, reader_->next(second, work));
        const std::optional<milliseconds> interval = reader_->own_interval() ? reader_->own_interval() : interval_;
        std::size_t count = more ? 2 : 1;
        if (more && interval) {
            POOLKD_TRY(count, count_snapshots(work));
        }
        // Back to the first: the reader begins anew rather than hold two snapshots.
        POOLKD_CHECK(begin_anew(work));

        if (count == 1 && input_.modified) {
            clock_.following = input_.modified;
            assumption_ = "The time is that of the file: the evidence states none";
        } else if (interval) {
            clock_.step = *interval;
            clock_.following = input_.modified.value_or(Time{}) - static_cast<int>(count - 1) * *interval;
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

    Result<void> begin_anew(Work& work) {
        POOLKD_TRY(reader_, open_(input_));
        POOLKD_TRY(have_next_, reader_->next(next_, work));
        return {};
    }

    /// Reads all times, for their order and for that of day and month, before anything is handed out.
    Result<void> look_through(Work& work) {
        Clock clock;
        std::size_t rows = 0;
        for (bool again = false;; again = true) {
            clock = clock_;
            rows = 0;
            while (have_next_) {
                clock.set(next_);
                rows += next_.rows.size();
                POOLKD_TRY(have_next_, reader_->next(next_, work));
            }
            if (!again) reader_->dates().tell(date_notes_);
            if (again || !reader_->dates().any()) break;
            // Once more, with what is known of the dates.
            input_.dates = reader_->dates().order();
            POOLKD_CHECK(begin_anew(work));
        }
        POOLKD_CHECK(begin_anew(work));
        if (!clock.disorder) return {};
        timeless_ = clock.missing || rows > most_sorted_rows;
        if (timeless_) return {};
        while (have_next_) {
            clock_.set(next_);
            sorted_.push_back(std::move(next_));
            next_ = {};
            POOLKD_TRY(have_next_, reader_->next(next_, work));
        }
        std::ranges::stable_sort(sorted_, {}, &Snapshot::time);
        sorted_all_ = true;
        return {};
    }

    void write_notes() {
        notes_ = reader_->notes();
        notes_.insert(notes_.end(), date_notes_.begin(), date_notes_.end());
        if (!assumption_.empty())
            notes_.push_back(assumption_);
        else if (clock_.assumed)
            notes_.emplace_back("Some times are assumed: the evidence does not state them all");
        if (sorted_all_) notes_.emplace_back("The snapshots are not in the order of time: sorted");
        if (timeless_)
            notes_.emplace_back("The snapshots are not in the order of time and cannot be sorted: their times are not "
                                "used");
    }

    Input input_;
    OpenReader open_;
    std::unique_ptr<Reader> reader_;
    std::optional<milliseconds> interval_;
    Snapshot next_;
    bool have_next_ = false, started_ = false, sorted_all_ = false;
    bool timeless_ = false; ///< the times are of no use
    Clock clock_;
    std::deque<Snapshot> sorted_;
    std::string assumption_;
    std::vector<std::string> date_notes_, notes_;
};

} // namespace

Result<std::unique_ptr<SnapshotSource>> with_times(Input input, const OpenReader& open,
                                                   const EvidenceOptions& options) {
    POOLKD_TRY(auto reader, open(input));
    return std::make_unique<TimedSource>(std::move(input), open, std::move(reader), options.interval);
}

} // namespace poolkd::hunt::import
