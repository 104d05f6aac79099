#include "hunt/import/merged.h"

#include "hunt/one_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
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

class MergedSource final : public SnapshotSource {
  public:
    explicit MergedSource(std::vector<Waiting> waiting) : waiting_(std::move(waiting)) {}

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
        if (other_notes_ != 0) notes_.push_back(fmt::format("{} notes more", other_notes_));
    }

    std::vector<Waiting> waiting_; ///< in the order in which they are opened
    std::size_t opened_ = 0;
    std::vector<Open> open_;
    std::map<std::string, NotedBy> noted_by_;
    std::size_t other_notes_ = 0;
    OneMachine machine_;
    std::vector<std::string> notes_;
};

} // namespace

Result<std::unique_ptr<SnapshotSource>> merge(std::vector<Part> parts, Work& work) {
    std::vector<Waiting> waiting;
    bool timed = true;
    OneMachine machine; // refused at once rather than after hours of reading
    for (Part& part : parts) {
        Waiting entry{.part = std::move(part), .first = std::nullopt};
        POOLKD_TRY(auto source, entry.part.open(work));
        Snapshot first;
        POOLKD_TRY(const bool any, source->next(first, work));
        POOLKD_CHECK(machine.check(first.machine, evidence_name));
        entry.first = first.time;
        timed = timed && (!any || first.time);
        waiting.push_back(std::move(entry));
        work.progress("Looking at the files", waiting.size(), parts.size());
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
    return std::make_unique<MergedSource>(std::move(waiting));
}

} // namespace poolkd::hunt::import
