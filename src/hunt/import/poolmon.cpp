#include "hunt/import/poolmon.h"

#include "base/text.h"
#include "hunt/import/line_problems.h"
#include "hunt/import/poolmon_line.h"
#include "hunt/import/text_lines.h"
#include "hunt/import/timestamps.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace poolkd::hunt::import {

namespace {

constexpr std::chrono::seconds refresh{5};

bool is_rule(std::string_view line) {
    return line.find_first_not_of("-=_*#. \t") == std::string_view::npos;
}

/// A line that a script wrote over the screen: "# 1764063795", "=== Wed 11/25/2026 09:43:15.12 ===", "Time: 9:43".
std::string_view without_decoration(std::string_view line) {
    line = trim(line);
    while (!line.empty() && std::string_view("#=*-[<( ").find(line.front()) != std::string_view::npos)
        line.remove_prefix(1);
    while (!line.empty() && std::string_view("=*-]>) ").find(line.back()) != std::string_view::npos)
        line.remove_suffix(1);
    // "The current date is: ...", "Time: ..."
    if (const std::size_t colon = line.find(": ");
        colon != std::string_view::npos && line.substr(0, colon).find_first_of("0123456789") == std::string_view::npos)
        line = trim(line.substr(colon + 1));
    return line;
}

struct Screen {
    Snapshot now;
    std::vector<TagCounts> before; ///< the rows before the last refresh
    bool changed = false;
    bool session = false;
    std::size_t line = 0;
};

class PoolmonReader final : public Reader {
  public:
    PoolmonReader(const Input& input, std::unique_ptr<std::istream> stream)
        : name_(input.name), order_(input.dates), lines_(std::move(stream), TextForm::narrow) {}

    Result<bool> next(Snapshot& out, Work& work) override {
        if (!started_) {
            POOLKD_CHECK(start(work));
        }
        if (before_) {
            out = *std::move(before_);
            before_.reset();
            return true;
        }
        if (!have_screen_) {
            POOLKD_CHECK(tell_at_end());
            return false;
        }
        std::swap(out, screen_.now);
        POOLKD_TRY(have_screen_, read_screen(work));
        return true;
    }

    [[nodiscard]] std::optional<std::chrono::milliseconds> own_interval() const override {
        return pair_ ? std::optional<std::chrono::milliseconds>(refresh) : std::nullopt;
    }

  private:
    /// Looks at the first screen and whether it stays the only one.
    Result<void> start(Work& work) {
        started_ = true;
        POOLKD_TRY(have_screen_, read_screen(work));
        if (!have_screen_) return {};
        Screen first = std::exchange(screen_, Screen{});
        POOLKD_TRY(const bool more, read_screen(work));
        if (more) {
            held_ = std::exchange(screen_, std::move(first));
            return {};
        }
        screen_ = std::move(first);
        screen_.now.evidence = name_;
        if (!screen_.changed) return {};
        pair_ = true;
        before_ = screen_.now;
        before_->rows = std::move(screen_.before);
        before_->memory = {};
        before_->evidence += ", before its last refresh";
        if (before_->time) *before_->time -= refresh;
        notes_.emplace_back("One screen with changes: taken as two snapshots, five seconds apart");
        return {};
    }

    /// The next screen of the kind that the file began with. False: there is none.
    Result<bool> read_screen(Work& work) {
        if (held_) {
            screen_ = *std::move(held_);
            held_.reset();
            return true;
        }
        for (;;) {
            if (!read_any_screen(work)) {
                if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped");
                if (lines_.failed()) return fail(ErrorKind::io, "{} cannot be read to its end", name_);
                return false;
            }
            if (!session_) session_ = screen_.session;
            if (*session_ == screen_.session) break;
            other_kind_.add(screen_.line);
        }
        screen_.now.evidence = fmt::format("{}, line {}", name_, screen_.line);
        return true;
    }

    bool read_any_screen(Work& work) {
        reset_screen();
        bool table = false; // rows are expected
        bool cut = false;   // "..." was seen
        while (auto line = lines_.next()) {
            if ((lines_.number() & 0xfff) == 0 && work.stop_requested()) return false;
            if (auto row = poolmon_row(*line)) {
                if (repeats(row->counts.key)) {
                    lines_.again();
                    break;
                }
                add(*row);
                table = true;
                continue;
            }
            const bool full = !screen_.now.rows.empty();
            if (begins_screen(*line, full)) {
                if (full) {
                    lines_.again();
                    break;
                }
                table = table || poolmon_header(*line);
                continue;
            }
            const std::string_view text = trim(*line);
            if (text == "...") {
                cut = true;
            } else if (text.starts_with('#') || to_lower(text.substr(0, 200)).find("poolmon") != std::string::npos) {
                table = false; // a remark, or the command of the next screen
            } else if (table && !is_rule(text) && !equals_ignore_case(text.substr(0, 5), "total")) {
                unreadable_.add(lines_.number());
            }
        }
        if (screen_.now.rows.empty()) return false;
        finish_screen(cut);
        return true;
    }

    /// Takes a line that stands over a table. When a screen is being read already, the line ends it and is only looked
    /// at.
    bool begins_screen(std::string_view line, bool full) {
        MemoryFacts memory = full ? MemoryFacts{} : screen_.now.memory;
        if (poolmon_memory(line, memory)) {
            if (!full) screen_.now.memory = memory;
        } else if (auto session = poolmon_title_is_session(line)) {
            if (!full) screen_.session = *session;
        } else if (!poolmon_header(line) && !take_time(line, full)) {
            return false;
        }
        if (!full && screen_.line == 0) screen_.line = lines_.number();
        return true;
    }

    /// Dates may stand on one line or on two (`date /t`, `time /t`).
    bool take_time(std::string_view line, bool full) {
        if (line.size() > 120) return false;
        const std::string_view text = without_decoration(line);
        if (text.empty()) return false;
        if (auto time = timestamp(text, order_); time && (text.size() >= 9)) {
            if (full) return true;
            dates_.look(text);
            const auto written = written_time(text, order_);
            screen_.now.time = time;
            date_ = written && !written->time_of_day ? written->date : std::nullopt;
            return true;
        }
        const auto written = written_time(text);
        if (!written || written->date || !date_) return false;
        if (!full) {
            screen_.now.time = Time(*date_) + *written->time_of_day;
            date_.reset();
        }
        return true;
    }

    /// A screen lists each tag once: rows alone (`findstr Zta *.log`) are divided where one comes again. Not for
    /// session pool, and not for tags with characters that a code page may have made the same.
    bool repeats(const TagKey& key) {
        if (screen_.session || !key.tag.printable() || key.tag.text().find('?') != std::string::npos) return false;
        if (keys_.insert(std::uint64_t{key.tag.value} << 1 | static_cast<std::uint64_t>(key.kind)).second) return false;
        divided_.add(lines_.number());
        return true;
    }

    void add(const PoolmonRow& row) {
        TagCounts before = row.counts;
        auto back = [](auto& value, std::int64_t change) {
            using Value = std::remove_reference_t<decltype(value)>;
            const auto less =
                static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(change));
            value = static_cast<Value>(std::max<std::int64_t>(less, 0));
        };
        back(before.allocs, row.allocs_change);
        back(before.frees, row.frees_change);
        back(before.bytes, row.bytes_change);
        if (row.allocs_change != 0 || row.frees_change != 0 || row.bytes_change != 0) screen_.changed = true;
        if (row.contradicts) contradicting_.add(lines_.number());
        screen_.now.rows.push_back(row.counts);
        screen_.before.push_back(before);
    }

    void finish_screen(bool cut) {
        auto& rows = screen_.now.rows;
        sort_rows(rows);
        sort_rows(screen_.before);
        screen_.now.whole = !cut && !screen_.session && looks_whole(rows);
    }

    void reset_screen() {
        std::vector<TagCounts> before = std::move(screen_.before);
        clear(screen_.now);
        before.clear();
        screen_ = {
            .now = std::move(screen_.now), .before = std::move(before), .changed = false, .session = false, .line = 0};
        date_.reset();
        keys_.clear();
    }

    Result<void> tell_at_end() {
        if (std::exchange(told_, true)) return {};
        if (!session_ && unreadable_.count() != 0) return unreadable_.nothing_read(name_);
        divided_.tell(notes_, "with a tag that its screen has already: taken as the next screen");
        unreadable_.tell(notes_, "could not be read");
        contradicting_.tell(notes_, "with a difference that is not allocations minus frees");
        other_kind_.tell(notes_, session_.value_or(false)
                                     ? "with a screen of system pool left out: the file began with session pool"
                                     : "with a screen of session pool left out: the file began with system pool");
        return {};
    }

    std::string name_;
    DateOrder order_;
    TextLines lines_;
    Screen screen_;
    std::optional<Screen> held_;
    std::optional<Snapshot> before_;
    std::optional<bool> session_;
    std::optional<std::chrono::sys_days> date_;
    std::unordered_set<std::uint64_t> keys_; ///< tags of the screen that is being read
    LineProblems unreadable_, contradicting_, other_kind_, divided_;
    bool started_ = false, have_screen_ = false, pair_ = false, told_ = false;
};

} // namespace

Result<std::unique_ptr<Reader>> open_poolmon(const Input& input) {
    POOLKD_TRY(auto stream, input.open());
    return std::make_unique<PoolmonReader>(input, std::move(stream));
}

} // namespace poolkd::hunt::import
