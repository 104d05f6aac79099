#include "hunt/import/merged.h"

#include "hunt/one_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace poolkd::hunt::import {

namespace {

/// Of thousands of files each may have a note of its own.
constexpr std::size_t most_notes = 50;
constexpr std::string_view evidence_name = "The evidence";

/// The files that have the same note.
struct NotedBy {
    std::string first;
    std::size_t files = 0;
};

struct Waiting {
    Part part;
    std::optional<Time> first;
};

/// Times for parts that only have those of their files.
struct Retiming {
    bool on = false;
    std::optional<Time> first; ///< with a step; without it the snapshots have no times
    std::chrono::milliseconds step{0};
    std::string note;

    void set(Snapshot& snapshot, std::size_t number) const {
        if (!on) return;
        snapshot.time = first ? std::optional<Time>(*first + static_cast<std::int64_t>(number) * step) : std::nullopt;
        snapshot.time_assumed = first.has_value();
    }
};

class MergedSource final : public SnapshotSource {
  public:
    MergedSource(std::vector<Waiting> waiting, Retiming retiming)
        : waiting_(std::move(waiting)), retiming_(std::move(retiming)) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        for (;;) {
            POOLKD_CHECK(open_what_is_due(work));
            if (open_.empty()) {
                if (opened_ == waiting_.size()) {
                    write_notes();
                    return false;
                }
                continue;
            }
            auto first = std::ranges::min_element(open_, {}, [](const Open& open) { return open.head.time; });
            std::swap(out, first->head);
            POOLKD_CHECK(advance(first, work));
            POOLKD_CHECK(machine_.check(out.machine, evidence_name));
            retiming_.set(out, handed_out_);
            if (out.time && last_time_ == out.time && last_rows_ == out.rows) {
                ++doubles_;
                continue;
            }
            last_time_ = out.time;
            last_rows_ = out.rows;
            ++handed_out_;
            return true;
        }
    }

    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    struct Open {
        std::string name;
        std::unique_ptr<SnapshotSource> source;
        Snapshot head;
    };

    /// A part is due when its first snapshot may be the next one. Snapshots without a time come before all others, so
    /// that a part without times is read to its end before the next one is opened.
    Result<void> open_what_is_due(Work& work) {
        while (opened_ < waiting_.size()) {
            const Waiting& next = waiting_[opened_];
            const bool due = open_.empty() || (next.first && std::ranges::all_of(open_, [&](const Open& open) {
                                                   return open.head.time && *open.head.time > *next.first;
                                               }));
            if (!due) break;
            Open open{.name = next.part.name, .source = nullptr, .head = {}};
            POOLKD_TRY(open.source, next.part.open(work));
            ++opened_;
            open_.push_back(std::move(open));
            POOLKD_CHECK(advance(open_.end() - 1, work));
        }
        return {};
    }

    Result<void> advance(std::vector<Open>::iterator which, Work& work) {
        POOLKD_TRY(const bool more, which->source->next(which->head, work));
        if (more) return {};
        for (const std::string& note : which->source->notes()) {
            if (auto known = noted_by_.find(note); known != noted_by_.end())
                ++known->second.files;
            else if (noted_by_.size() < most_notes)
                noted_by_[note] = {.first = which->name, .files = 1};
            else
                ++other_notes_;
        }
        open_.erase(which);
        return {};
    }

    /// The same note of many files is told once.
    void write_notes() {
        notes_.clear();
        for (const auto& [note, by] : noted_by_)
            notes_.push_back(by.files == 1 ? fmt::format("{}: {}", by.first, note)
                                           : fmt::format("{} and {} more: {}", by.first, by.files - 1, note));
        if (!retiming_.note.empty()) notes_.push_back(retiming_.note);
        if (doubles_ != 0)
            notes_.push_back(fmt::format("{} snapshot{} given more than once and counted once", doubles_,
                                         doubles_ == 1 ? " is" : "s are"));
        if (other_notes_ != 0) notes_.push_back(fmt::format("{} notes more", other_notes_));
    }

    std::vector<Waiting> waiting_; ///< in the order in which they are opened
    std::size_t opened_ = 0;
    std::vector<Open> open_;
    std::map<std::string, NotedBy> noted_by_;
    std::size_t other_notes_ = 0;
    OneMachine machine_;
    Retiming retiming_;
    std::size_t handed_out_ = 0, doubles_ = 0;
    std::optional<Time> last_time_;
    std::vector<TagCounts> last_rows_;
    std::vector<std::string> notes_;
};

} // namespace

Result<std::unique_ptr<SnapshotSource>> merge(std::vector<Part> parts,
                                              std::optional<std::chrono::milliseconds> interval, Work& work) {
    std::vector<Waiting> waiting;
    bool timed = true, all_assumed = true;
    std::set<std::optional<Time>> dates;
    OneMachine machine; // refused at once rather than after hours of reading
    for (Part& part : parts) {
        Waiting entry{.part = std::move(part), .first = std::nullopt};
        POOLKD_TRY(auto source, entry.part.open(work));
        Snapshot first;
        POOLKD_TRY(const bool any, source->next(first, work));
        POOLKD_CHECK(machine.check(first.machine, evidence_name));
        entry.first = first.time;
        timed = timed && (!any || first.time);
        all_assumed = all_assumed && first.time_assumed;
        dates.insert(first.time);
        waiting.push_back(std::move(entry));
        work.progress("Looking at the files", waiting.size(), parts.size());
    }
    Retiming retiming;
    if (timed && all_assumed && waiting.size() > 1) {
        if (interval) {
            // The last file's date is the best that is known; the order given tells the rest.
            retiming.on = true;
            retiming.step = *interval;
            retiming.first = *waiting.back().first - static_cast<std::int64_t>(waiting.size() - 1) * *interval;
            retiming.note = fmt::format("The times are assumed, {} s apart in the order of the files",
                                        static_cast<double>(interval->count()) / 1000);
        } else if (dates.size() < waiting.size()) {
            retiming.on = true;
            retiming.note =
                "Files have the same date (copied?), so their times are not used; give the interval between them";
        }
        timed = !retiming.on;
    }
    if (timed) {
        // By number, since files of one time keep their order.
        std::vector<std::pair<std::optional<Time>, std::size_t>> order;
        order.reserve(waiting.size());
        for (std::size_t i = 0; i < waiting.size(); ++i)
            order.emplace_back(waiting[i].first, i);
        std::ranges::sort(order);
        std::vector<Waiting> sorted;
        sorted.reserve(waiting.size());
        for (const auto& [time, i] : order)
            sorted.push_back(std::move(waiting[i]));
        waiting = std::move(sorted);
    } else {
        for (Waiting& entry : waiting)
            entry.first.reset();
    }
    return std::make_unique<MergedSource>(std::move(waiting), std::move(retiming));
}

} // namespace poolkd::hunt::import
