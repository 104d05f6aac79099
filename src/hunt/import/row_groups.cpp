#include "hunt/import/row_groups.h"

#include "base/text.h"
#include "hunt/import/timestamps.h"

#include <charconv>
#include <utility>

namespace poolkd::hunt::import {

namespace {

/// Rows come in thousands of the same time: the text is only looked at when it changes.
class TimeColumn {
  public:
    /// Nothing: no time can be read.
    std::optional<Time> read(std::string_view text) {
        if (text != text_ || text_.empty()) {
            text_ = text;
            time_ = timestamp(text);
        }
        return time_;
    }

  private:
    std::string text_;
    std::optional<Time> time_;
};

class GroupReader final : public Reader {
  public:
    GroupReader(Input input, OpenRows open, std::unique_ptr<RowStream> rows, RowForm form)
        : input_(std::move(input)), open_(std::move(open)), rows_(std::move(rows)), form_(form),
          timed_(rows_->present()[static_cast<std::size_t>(Column::time)]) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        if (!started_) {
            started_ = true;
            POOLKD_TRY(const bool ordered, in_order(work));
            if (!ordered) {
                POOLKD_CHECK(sort_all(work));
            }
        }
        clear(out);
        if (sorted_) {
            if (by_time_.empty()) return false;
            auto first = by_time_.begin();
            out = std::move(first->second);
            by_time_.erase(first);
            return true;
        }
        return next_group(out, work);
    }

  private:
    Result<bool> in_order(Work& work) {
        if (!timed_) return true;
        POOLKD_TRY(auto rows, open_(input_));
        FlatRow row;
        TimeColumn times;
        std::optional<Time> last;
        for (;;) {
            POOLKD_TRY(const bool more, rows->next_time(row, work));
            if (!more) return true;
            const auto time = times.read(row[Column::time]);
            if (!time) continue;
            if (last && *time < *last) return false;
            last = time;
        }
    }

    Result<void> sort_all(Work& work) {
        notes_.emplace_back("The rows are not in the order of time: sorted");
        for (;;) {
            Snapshot group;
            POOLKD_TRY(const bool more, next_group(group, work));
            if (!more) break;
            Snapshot& whole = by_time_[*group.time];
            if (whole.rows.empty())
                whole = std::move(group);
            else
                whole.rows.insert(whole.rows.end(), group.rows.begin(), group.rows.end());
        }
        for (auto& [time, snapshot] : by_time_)
            sort_rows(snapshot.rows);
        sorted_ = true;
        return {};
    }

    /// The rows up to the first of another time.
    Result<bool> next_group(Snapshot& out, Work& work) {
        out.activity = form_.activity();
        if (pending_) {
            // The row that ended the group before begins this one.
            POOLKD_CHECK(take(row_, *std::exchange(pending_, std::nullopt), out));
        }
        for (;;) {
            POOLKD_TRY(const bool more, rows_->next(row_, work));
            if (!more) break;
            std::optional<Time> time;
            if (timed_) {
                time = times_.read(row_[Column::time]);
                if (!time) {
                    unreadable_.add(rows_->number());
                    continue;
                }
                if (!out.rows.empty() && out.time != time) {
                    pending_ = time;
                    return finish(out);
                }
            }
            POOLKD_CHECK(take(row_, time, out));
        }
        if (!out.rows.empty()) return finish(out);
        if (!std::exchange(told_, true)) {
            rows_->tell(notes_);
            unreadable_.tell(notes_, "could not be read", rows_->unit());
        }
        return false;
    }

    Result<void> take(const FlatRow& row, std::optional<Time> time, Snapshot& out) {
        const bool first = out.rows.empty();
        if (!form_.read(row, out.rows, out.activity)) {
            unreadable_.add(rows_->number());
            return {};
        }
        if (first) {
            out.time = time;
            line_ = rows_->number();
        }
        if (const std::string_view machine = trim(row[Column::machine]); !machine.empty() && machine != machine_) {
            if (!machine_.empty() && !equals_ignore_case(machine, machine_))
                return fail(
                    ErrorKind::malformed,
                    "{} holds several machines ({} and {}): make one file of each, their counters do not add up",
                    input_.name, machine_, machine);
            machine_ = machine;
        }
        if (!out.uptime) out.uptime = seconds(row[Column::uptime]);
        return {};
    }

    static std::optional<std::chrono::milliseconds> seconds(std::string_view text) {
        text = trim(text);
        double value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value < 1e12))
            return std::nullopt;
        return std::chrono::milliseconds(static_cast<std::int64_t>(value * 1000));
    }

    bool finish(Snapshot& out) {
        sort_rows(out.rows);
        out.machine = machine_;
        out.evidence = timed_ ? fmt::format("{}, {} {}", input_.name, rows_->unit(), line_) : input_.name;
        return true;
    }

    Input input_;
    OpenRows open_;
    std::unique_ptr<RowStream> rows_;
    RowForm form_;
    bool timed_ = false, started_ = false, sorted_ = false, told_ = false;
    FlatRow row_;
    std::optional<std::optional<Time>> pending_;
    TimeColumn times_;
    std::string machine_;
    std::size_t line_ = 0;
    std::map<Time, Snapshot> by_time_;
    LineProblems unreadable_;
};

} // namespace

Result<std::unique_ptr<Reader>> group_rows(const Input& input, const OpenRows& open) {
    POOLKD_TRY(auto rows, open(input));
    auto form = RowForm::of(rows->present());
    if (!form) return fail(ErrorKind::malformed, "{}: {}", input.name, form.error().message);
    return std::make_unique<GroupReader>(input, open, std::move(rows), *form);
}

} // namespace poolkd::hunt::import
