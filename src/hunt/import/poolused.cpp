#include "hunt/import/poolused.h"

#include "base/text.h"
#include "hunt/import/line_problems.h"
#include "hunt/import/numbers.h"
#include "hunt/import/poolused_line.h"
#include "hunt/import/text_lines.h"
#include "hunt/import/timestamps.h"

#include <cstdlib>
#include <utility>

namespace poolkd::hunt::import {

namespace {

constexpr std::size_t tags_of_a_whole_table = 200;

/// "Debug session time: Wed Nov 25 09:43:15.120 2026 (UTC + 1:00)"
std::optional<Time> session_time(std::string_view text) {
    const std::size_t zone = text.find("(UTC");
    auto time = timestamp(text.substr(0, zone));
    if (!time || zone == std::string_view::npos) return time;
    std::string_view offset = trim(text.substr(zone + 4));
    const bool east = offset.starts_with('+');
    if (!east && !offset.starts_with('-')) return time;
    const auto hours = written_time(offset.substr(1, offset.find(')') - 1));
    if (!hours || !hours->time_of_day) return time;
    return east ? *time - *hours->time_of_day : *time + *hours->time_of_day;
}

/// "0 days 5:02:03.140"
std::optional<std::chrono::milliseconds> session_uptime(std::string_view text) {
    std::size_t length = 0;
    text = trim(text);
    const auto days = leading_number(text, length);
    const std::size_t rest = text.find("days ");
    if (!days || *days > 100'000 || rest == std::string_view::npos) return std::nullopt;
    const auto time = written_time(text.substr(rest + 5));
    if (!time || !time->time_of_day || time->date) return std::nullopt;
    return std::chrono::days(*days) + *time->time_of_day;
}

std::optional<std::string_view> behind(std::string_view line, std::string_view label) {
    const std::size_t at = line.find(label);
    if (at == std::string_view::npos) return std::nullopt;
    return line.substr(at + label.size());
}

class PoolusedReader final : public Reader {
  public:
    PoolusedReader(std::string name, std::unique_ptr<std::istream> stream)
        : name_(std::move(name)), lines_(std::move(stream), TextForm::narrow) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        for (;;) {
            clear(out);
            POOLKD_TRY(const bool found, read_table(out, work));
            if (!found) {
                tell_at_end();
                return false;
            }
            if (out.rows == last_rows_ && (!out.time || out.time == last_time_)) {
                repeated_.add(start_);
                continue;
            }
            last_rows_ = out.rows;
            last_time_ = out.time;
            return true;
        }
    }

  private:
    struct Sums {
        std::uint64_t nonpaged_allocs = 0, nonpaged_frees = 0, paged_allocs = 0, paged_frees = 0;
        std::int64_t nonpaged_bytes = 0, paged_bytes = 0;
        bool operator==(const Sums&) const = default;
        void add(const PoolusedRow& row) {
            nonpaged_allocs += row.nonpaged.allocs;
            nonpaged_frees += row.nonpaged.frees;
            paged_allocs += row.paged.allocs;
            paged_frees += row.paged.frees;
            // Sums of hostile numbers may wrap, but must not be undefined.
            nonpaged_bytes = plus(nonpaged_bytes, row.nonpaged.bytes);
            paged_bytes = plus(paged_bytes, row.paged.bytes);
        }
        static std::int64_t plus(std::int64_t a, std::int64_t b) {
            return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
        }
    };

    Result<bool> read_table(Snapshot& out, Work& work) {
        std::optional<PoolusedForm> form;
        Sums sums;
        bool cut = part_, total_fits = false;
        std::size_t tags = 0;
        while (auto line = lines_.next()) {
            if ((lines_.number() & 0xfff) == 0 && work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
            const auto command = behind_prompt(*line);
            if (auto header = poolused_header(*line); header || command) {
                if (tags != 0) {
                    lines_.again();
                    break;
                }
                form = header;
                if (command) part_ = command->starts_with("!poolused") && shows_a_part(*command);
                cut = part_;
                start_ = lines_.number();
                continue;
            }
            if (!form) {
                take_times(*line);
                continue;
            }
            if (auto row = poolused_row(*line, *form)) {
                if (row->total && tags == 0) {
                    form.reset(); // a table without a row
                    continue;
                }
                if (row->total) {
                    Sums total;
                    total.add(*row);
                    total_fits = total == sums;
                    if (!total_fits && !cut) odd_totals_.add(lines_.number());
                    break;
                }
                ++rows_read_;
                if (row->contradicts) contradicting_.add(lines_.number());
                sums.add(*row);
                ++tags;
                out.rows.push_back(row->nonpaged);
                out.rows.push_back(row->paged);
                continue;
            }
            note_other_line(trim(*line), cut);
        }
        if (tags == 0) {
            if (lines_.failed()) return fail(ErrorKind::io, "{} cannot be read to its end", name_);
            return false;
        }
        finish(out, *form, !cut && (total_fits || tags >= tags_of_a_whole_table));
        return true;
    }

    void note_other_line(std::string_view text, bool& cut) {
        if (text.starts_with("...")) {
            cut = true;
        } else if (text.find_first_not_of(". ") != std::string_view::npos && !text.starts_with("No tag in use")) {
            unreadable_.add(lines_.number());
        }
    }

    void take_times(std::string_view line) {
        if (auto text = behind(line, "Debug session time:")) time_ = session_time(*text);
        if (auto text = behind(line, "System Uptime:")) uptime_ = session_uptime(*text);
    }

    void finish(Snapshot& out, const PoolusedForm& form, bool whole) {
        out.activity = form.verbose;
        out.whole = whole;
        // Tags that use one pool have a row for both; where all tags are known, nothing is lost with the zeros.
        if (whole)
            std::erase_if(out.rows, [](const TagCounts& counts) {
                return counts.allocs == 0 && counts.frees == 0 && counts.bytes == 0;
            });
        sort_rows(out.rows);
        // The times were printed once; later tables are of a later time.
        out.time = std::exchange(time_, std::nullopt);
        out.uptime = std::exchange(uptime_, std::nullopt);
        out.evidence = fmt::format("{}, line {}", name_, start_);
        part_ = false;
    }

    void tell_at_end() {
        if (std::exchange(told_, true)) return;
        // A report that quotes a few rows is no table of the tags.
        constexpr std::size_t next_to_nothing = 8;
        if (rows_read_ * next_to_nothing < lines_.number())
            notes_.push_back(
                fmt::format("Of its {} lines {} hold counters: is this the right file?", lines_.number(), rows_read_));
        unreadable_.tell(notes_, "could not be read");
        contradicting_.tell(notes_, "with a difference that is not allocations minus frees");
        odd_totals_.tell(notes_, "with a TOTAL that is not the sum of its table");
        repeated_.tell(notes_, "with a table that repeats the one before: left out");
    }

    std::string name_;
    TextLines lines_;
    bool part_ = false; ///< the last command shows a part of the tags
    std::size_t start_ = 0;
    std::size_t rows_read_ = 0;
    std::optional<Time> time_, last_time_;
    std::optional<std::chrono::milliseconds> uptime_;
    std::vector<TagCounts> last_rows_;
    LineProblems unreadable_, contradicting_, odd_totals_, repeated_;
    bool told_ = false;
};

} // namespace

Result<std::unique_ptr<Reader>> open_poolused(const Input& input) {
    POOLKD_TRY(auto stream, input.open());
    return std::make_unique<PoolusedReader>(input.name, std::move(stream));
}

} // namespace poolkd::hunt::import
