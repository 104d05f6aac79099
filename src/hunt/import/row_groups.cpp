#include "hunt/import/row_groups.h"

#include "base/text.h"
#include "hunt/import/gathered_rows.h"
#include "hunt/import/timestamps.h"
#include "hunt/one_machine.h"

#include <charconv>
#include <utility>

namespace poolkd::hunt::import {

namespace {

/// Rows come in thousands of the same time: the text is only looked at when it changes.
class TimeColumn {
  public:
    explicit TimeColumn(DateOrder order = DateOrder::unknown) : order_(order) {}
    /// Nothing: no time can be read.
    std::optional<Time> read(std::string_view text) {
        if (text != text_ || text_.empty()) {
            text_ = text;
            time_ = timestamp(text, order_);
        }
        return time_;
    }

  private:
    DateOrder order_;
    std::string text_;
    std::optional<Time> time_;
};

/// Whether times come in their order, read one way.
class Ordered {
  public:
    explicit Ordered(DateOrder order) : times_(order) {}
    void look(std::string_view text) {
        const auto time = times_.read(text);
        if (!time) return;
        ordered_ = ordered_ && (!last_ || *last_ <= *time);
        last_ = time;
    }
    [[nodiscard]] bool ordered() const { return ordered_; }

  private:
    TimeColumn times_;
    std::optional<Time> last_;
    bool ordered_ = true;
};

class GroupReader final : public Reader {
  public:
    GroupReader(Input input, OpenRows open, std::unique_ptr<RowStream> rows, RowForm form)
        : input_(std::move(input)), open_(std::move(open)), rows_(std::move(rows)), form_(form),
          form_of_(rows_->present()), timed_(form_of_[static_cast<std::size_t>(Column::time)]) {}

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
            if (by_time_.empty()) {
                POOLKD_CHECK(end());
                return false;
            }
            finish(by_time_.begin()->second, out);
            by_time_.erase(by_time_.begin());
            return true;
        }
        return next_group(out, work);
    }
    [[nodiscard]] bool in_order_of_time() const override { return true; }

  private:
    /// One snapshot while its rows are read.
    struct Group {
        GatheredRows rows;
        std::optional<Time> time;
        std::optional<std::chrono::milliseconds> uptime;
        std::size_t line = 0;
    };

    /// Looks through the times for their order, and for that of day and month.
    Result<bool> in_order(Work& work) {
        if (!timed_) return true;
        POOLKD_TRY(auto rows, open_(input_));
        FlatRow row;
        DateOrders dates;
        Ordered month_first(DateOrder::unknown), day_first(DateOrder::day_first), month_told(DateOrder::month_first);
        std::string last;
        for (;;) {
            POOLKD_TRY(const bool more, rows->next_time(row, work));
            if (!more) break;
            if (row[Column::time] == last) continue;
            last = row[Column::time];
            dates.look(last);
            month_first.look(last);
            if (!dates.any()) continue;
            day_first.look(last);
            month_told.look(last);
        }
        times_ = TimeColumn(dates.order());
        dates.tell(notes_);
        switch (dates.order()) {
        case DateOrder::day_first: return day_first.ordered();
        case DateOrder::month_first: return month_told.ordered();
        case DateOrder::unknown: break;
        }
        return month_first.ordered();
    }

    Result<void> sort_all(Work& work) {
        notes_.emplace_back("The rows are not in the order of time: sorted");
        sorted_ = true;
        for (;;) {
            POOLKD_TRY(const bool more, rows_->next(row_, work));
            if (!more) return {};
            if (const auto time = times_.read(row_[Column::time])) {
                POOLKD_CHECK(take(row_, time, by_time_[*time]));
            } else {
                unreadable_.add(rows_->number());
            }
        }
    }

    /// The rows up to the first of another time.
    Result<bool> next_group(Snapshot& out, Work& work) {
        Group group;
        if (pending_) {
            // The row that ended the group before begins this one.
            POOLKD_CHECK(take(row_, *std::exchange(pending_, std::nullopt), group));
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
                if (!group.rows.empty() && group.time != time) {
                    pending_ = time;
                    finish(group, out);
                    return true;
                }
            }
            POOLKD_CHECK(take(row_, time, group));
        }
        if (group.rows.empty()) {
            POOLKD_CHECK(end());
            return false;
        }
        finish(group, out);
        return true;
    }

    Result<void> take(const FlatRow& row, std::optional<Time> time, Group& group) {
        if (rows_->present() != form_of_) {
            // Another line of names, or an object with other fields.
            form_of_ = rows_->present();
            auto form = RowForm::of(form_of_);
            form_ = form ? std::optional(*form) : std::nullopt;
        }
        const bool first = group.rows.empty();
        if (!form_ || !group.rows.add(*form_, row, rows_->number())) {
            unreadable_.add(rows_->number());
            return {};
        }
        any_ = true;
        if (first) {
            group.time = time;
            group.line = rows_->number();
        }
        POOLKD_CHECK(machine_.check(trim(row[Column::machine]), input_.name));
        if (!group.uptime) group.uptime = seconds(row[Column::uptime]);
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

    void finish(Group& group, Snapshot& out) {
        group.rows.finish(out, unreadable_);
        out.time = group.time;
        out.uptime = group.uptime;
        out.machine = machine_.name();
        out.evidence = timed_ ? fmt::format("{}, {} {}", input_.name, rows_->unit(), group.line) : input_.name;
    }

    Result<void> end() {
        if (std::exchange(told_, true)) return {};
        if (!any_ && unreadable_.count() != 0) return unreadable_.nothing_read(input_.name, rows_->unit());
        rows_->tell(notes_);
        unreadable_.tell(notes_, "could not be read", rows_->unit());
        return {};
    }

    Input input_;
    OpenRows open_;
    std::unique_ptr<RowStream> rows_;
    std::optional<RowForm> form_;
    std::array<bool, column_count> form_of_;
    bool timed_ = false, started_ = false, sorted_ = false, told_ = false;
    bool any_ = false; ///< a row was read
    FlatRow row_;
    std::optional<std::optional<Time>> pending_;
    TimeColumn times_;
    OneMachine machine_;
    std::map<Time, Group> by_time_;
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
