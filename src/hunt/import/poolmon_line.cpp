#include "hunt/import/poolmon_line.h"

#include "base/text.h"
#include "hunt/import/numbers.h"

#include <fmt/format.h>

#include <iterator>

namespace poolkd::hunt::import {

namespace {

constexpr std::uint64_t bits32 = 1ull << 32;

struct TypeWord {
    std::size_t at = 0, end = 0;
    PoolKind kind = PoolKind::nonpaged;
};

/// The type stands between blanks before a number. Not the first word that looks like it: a tag may be "Nonp".
std::optional<TypeWord> find_type(std::string_view line) {
    for (std::size_t at = 1; at < line.size(); ++at) {
        if (line[at] != 'N' && line[at] != 'P') continue;
        if (line[at - 1] != ' ' && line[at - 1] != '\t') continue;
        const std::string_view rest = line.substr(at);
        TypeWord word{.at = at, .end = 0, .kind = PoolKind::nonpaged};
        if (rest.starts_with("Nonp")) {
            word.end = at + 4;
        } else if (rest.starts_with("Paged")) {
            word.end = at + 5;
            word.kind = PoolKind::paged;
        } else {
            continue;
        }
        const std::size_t next = line.find_first_not_of(" \t", word.end);
        if (next == std::string_view::npos) return std::nullopt;
        if ((line[next] >= '0' && line[next] <= '9') || line[next] == '-') return word;
    }
    return std::nullopt;
}

/// The tag from what stands before the type. PoolMon writes a blank, four characters and a blank; a first blank may
/// have been lost on the way, and people lay tables out anew.
std::optional<PoolTag> tag_before_type(std::string_view text) {
    if (text.size() > 6) // findstr and grep name the file: "night.log: Zta "
        if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos && text.size() - colon > 4)
            text.remove_prefix(colon + 1);
    if (text.size() == 6 && text.front() == ' ') text.remove_prefix(1);
    if (text.size() == 5 && text.back() == ' ' && !trim(text).empty()) return PoolTag::from_text(text.substr(0, 4));
    return PoolTag::from_text(trim(text));
}

/// Numbers from left to right, with or without blanks between them.
class Numbers {
  public:
    explicit Numbers(std::string_view text) : text_(text) {}

    std::optional<std::int64_t> next() {
        skip_blanks();
        std::string_view rest = text_.substr(at_);
        const bool negative = rest.starts_with('-');
        if (negative) rest.remove_prefix(1);
        std::size_t length = 0;
        const auto value = leading_number(rest, length);
        if (!value || *value > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
        at_ += length + (negative ? 1 : 0);
        return negative ? -static_cast<std::int64_t>(*value) : static_cast<std::int64_t>(*value);
    }
    /// "( 52)"; nothing, and nothing taken, when none is there.
    std::optional<std::int64_t> change() {
        const std::size_t start = at_;
        skip_blanks();
        if (at_ < text_.size() && text_[at_] == '(') {
            ++at_;
            const auto value = next();
            skip_blanks();
            if (value && at_ < text_.size() && text_[at_] == ')') {
                ++at_;
                return value;
            }
        }
        at_ = start;
        return std::nullopt;
    }
    /// Takes exactly this text.
    bool take(std::string_view wanted) {
        skip_blanks();
        if (!text_.substr(at_).starts_with(wanted)) return false;
        at_ += wanted.size();
        return true;
    }
    [[nodiscard]] bool at_digit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }
    [[nodiscard]] std::size_t position() const { return at_; }
    void return_to(std::size_t position) { at_ = position; }

  private:
    void skip_blanks() {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t'))
            ++at_;
    }
    std::string_view text_;
    std::size_t at_ = 0;
};

/// Whether the three characters at `at` are a group of digits and no more.
bool group_at(std::string_view text, std::size_t at) {
    return at + 3 <= text.size() && is_digit(text[at]) && is_digit(text[at + 1]) && is_digit(text[at + 2]) &&
           (at + 3 == text.size() || !is_digit(text[at + 3]));
}

/// "20,711" to "20711", likewise with points, apostrophes and no-break spaces. PoolMon's figures have no fractions.
std::string without_separators(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool separator = std::string_view(",.'\xa0").find(text[i]) != std::string_view::npos;
        if (separator && i > 0 && is_digit(text[i - 1]) && group_at(text, i + 1)) continue;
        out += text[i] == '\xa0' ? ' ' : text[i];
    }
    return out;
}

/// "Avail: 12072536K" in bytes. None of these can be zero; a zero stands for what the writer did not know.
std::optional<std::uint64_t> kilobytes_after(std::string_view line, std::string_view label) {
    const std::size_t at = line.find(label);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view rest = trim(line.substr(at + label.size()));
    std::size_t length = 0;
    const auto value = leading_number(rest, length);
    if (!value || length >= rest.size() || rest[length] != 'K' || *value == 0 || *value > UINT64_MAX / 1024)
        return std::nullopt;
    return *value * 1024;
}

} // namespace

namespace {

/// The columns behind the type.
std::optional<PoolmonRow> read_columns(std::string_view text) {
    Numbers numbers(text);
    PoolmonRow row;
    auto count = [&](std::uint64_t& value, std::int64_t& change) {
        const auto number = numbers.next();
        const auto positive = number ? counter(*number) : std::nullopt;
        if (!positive) return false;
        value = *positive;
        change = numbers.change().value_or(0);
        return true;
    };
    if (!count(row.counts.allocs, row.allocs_change) || !count(row.counts.frees, row.frees_change)) return std::nullopt;

    // Wide numbers run together; the difference is known, so it can be told from the bytes behind it.
    const std::uint64_t difference = (row.counts.allocs - row.counts.frees) % bits32;
    const std::size_t start = numbers.position();
    const auto diff = numbers.next();
    auto bytes = diff ? numbers.next() : std::nullopt;
    if (!diff || !bytes || (static_cast<std::uint64_t>(*diff) - difference) % bits32 != 0) {
        const std::size_t end = numbers.position();
        numbers.return_to(start);
        if (numbers.take(fmt::to_string(difference)) && numbers.at_digit()) {
            bytes = numbers.next();
        } else {
            numbers.return_to(end);
            row.contradicts = true;
        }
    }
    if (!bytes) return std::nullopt;
    row.counts.bytes = *bytes;
    row.bytes_change = numbers.change().value_or(0);
    return row;
}

/// Numbers grouped by blanks: every way to join the pieces up to the bytes is tried, and that which fits the difference
/// and the average is taken if it is the only one.
class BlankGroups {
  public:
    explicit BlankGroups(std::string_view text) : text_(text) {}

    std::optional<PoolmonRow> read() {
        column(0, "");
        return found_ == 1 ? row_ : std::nullopt;
    }

  private:
    static constexpr unsigned columns = 5; ///< allocations, frees, difference, bytes, average
    static constexpr unsigned most_tries = 2000;

    void column(std::size_t at, std::string joined, unsigned index = 0) {
        if (++tries_ > most_tries) {
            found_ = 0;
            return;
        }
        at = text_.find_first_not_of(' ', at);
        if (at == std::string_view::npos || index == columns) {
            if (index == columns) judge(joined);
            return;
        }
        if (text_[at] == '(') {
            const std::size_t close = text_.find(')', at);
            if (close == std::string_view::npos) return;
            std::string change(text_.substr(at, close + 1 - at));
            std::erase_if(change, [](char c) { return c == ' '; });
            column(close + 1, joined + ' ' + change, index);
            return;
        }
        std::string number(text_[at] == '-' ? "-" : "");
        at += number.size();
        if (at >= text_.size() || !is_digit(text_[at])) return;
        const std::size_t start = at;
        for (; at < text_.size() && is_digit(text_[at]); ++at)
            number += text_[at];
        const bool may_go_on = at - start <= 3;
        column(at, joined + ' ' + number, index + 1);
        while (may_go_on && at < text_.size() && text_[at] == ' ' && group_at(text_, at + 1)) {
            number += text_.substr(at + 1, 3);
            at += 4;
            column(at, joined + ' ' + number, index + 1);
        }
    }

    void judge(const std::string& joined) {
        const auto row = read_columns(joined);
        if (!row || row->contradicts) return;
        const auto blocks = static_cast<std::int64_t>(row->counts.allocs - row->counts.frees);
        std::size_t length = 0;
        const std::size_t last = joined.find_last_of(' ') + 1;
        const auto average = leading_number(std::string_view(joined).substr(last), length);
        if (!average || (blocks > 0 && static_cast<std::int64_t>(*average) != row->counts.bytes / blocks)) return;
        if (row_ && row_->counts == row->counts) return;
        row_ = row;
        ++found_;
    }

    std::string_view text_;
    std::optional<PoolmonRow> row_;
    unsigned tries_ = 0, found_ = 0;
};

} // namespace

std::optional<PoolmonRow> poolmon_row(std::string_view line) {
    const auto type = find_type(line);
    if (!type) return std::nullopt;
    const auto tag = tag_before_type(line.substr(0, type->at));
    if (!tag) return std::nullopt;

    const std::string_view text = line.substr(type->end);
    auto row = read_columns(text);
    constexpr std::size_t longest_row = 400;
    if ((!row || row->contradicts) && text.size() <= longest_row) {
        const std::string plain = without_separators(text);
        auto grouped = read_columns(plain);
        if (!grouped || grouped->contradicts) grouped = BlankGroups(plain).read();
        if (grouped) row = grouped;
    }
    if (row) row->counts.key = {tag->bare(), type->kind};
    return row;
}

bool poolmon_memory(std::string_view line, MemoryFacts& memory) {
    if (line.find("Memory:") != std::string_view::npos && line.find("Avail:") != std::string_view::npos) {
        memory.physical = kilobytes_after(line, "Memory:");
        memory.available = kilobytes_after(line, "Avail:");
        return true;
    }
    if (line.find("Commit:") == std::string_view::npos || line.find("Limit:") == std::string_view::npos) return false;
    memory.commit = kilobytes_after(line, "Commit:");
    memory.commit_limit = kilobytes_after(line, "Limit:");
    memory.commit_peak = kilobytes_after(line, "Peak:");
    if (const std::size_t pool = line.find("Pool N:"); pool != std::string_view::npos) {
        memory.nonpaged = kilobytes_after(line.substr(pool), " N:");
        memory.paged = kilobytes_after(line.substr(pool), " P:");
    }
    return true;
}

bool poolmon_header(std::string_view line) {
    std::vector<std::string_view> words = split_blanks(line.substr(0, 200));
    if (!words.empty() && words.front() == "##") words.erase(words.begin());
    return words.size() >= 5 && words[0] == "Tag" && words[1] == "Type" && words[2] == "Allocs" && words[3] == "Frees";
}

std::optional<bool> poolmon_title_is_session(std::string_view line) {
    line = trim(line);
    constexpr std::string_view end = "pool information";
    if (!line.ends_with(end)) return std::nullopt;
    line = trim(line.substr(0, line.size() - end.size()));
    if (line == "System") return false;
    if (line == "All sessions" || line.starts_with("Session ")) return true;
    return std::nullopt;
}

} // namespace poolkd::hunt::import
