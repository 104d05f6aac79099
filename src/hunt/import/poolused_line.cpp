#include "hunt/import/poolused_line.h"

#include "base/text.h"
#include "hunt/import/numbers.h"

#include <algorithm>
#include <vector>

namespace poolkd::hunt::import {

namespace {

constexpr std::size_t longest_header = 400;
constexpr std::size_t maximum_numbers = 8;

/// Descriptions are glued to the last number and may begin with a digit ("        01394 OHCI host controller"). The
/// number ends where its column does; only one that fills the column from its first place on may be wider.
std::size_t end_of_last(std::string_view text, std::size_t previous_end, std::size_t start, std::size_t end,
                        std::size_t width) {
    if (text[start] == '0') return start + 1;
    const std::size_t column_end = previous_end + 1 + width;
    return start > previous_end + 1 && width != 0 ? std::min(end, std::max(column_end, start + 1)) : end;
}

/// The first `count` numbers; the last one in a column of `last_width`.
bool read_numbers(std::string_view text, std::size_t count, std::size_t last_width,
                  std::array<std::int64_t, maximum_numbers>& out) {
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t start = text.find_first_not_of(" \t", at);
        if (start == std::string_view::npos) return false;
        const bool negative = text[start] == '-';
        std::size_t end = negative ? start + 1 : start;
        while (end < text.size() && is_digit(text[end]))
            ++end;
        if (i + 1 == count && !negative && end > start) end = end_of_last(text, at, start, end, last_width);
        // Only the last may be followed by something else than a blank.
        if (i + 1 < count && end < text.size() && text[end] != ' ' && text[end] != '\t') return false;
        const auto value = whole_number(text.substr(start, end - start));
        if (!value) return false;
        out[i] = *value;
        at = end;
    }
    return true;
}

} // namespace

std::optional<PoolusedForm> poolused_header(std::string_view line) {
    line = line.substr(0, longest_header);
    const auto words = split_blanks(line);
    auto same = [&](std::initializer_list<std::string_view> names) { return std::ranges::equal(words, names); };
    PoolusedForm form;
    if (same({"Tag", "Allocs", "Frees", "Diff", "Used", "Allocs", "Frees", "Diff", "Used"}))
        form.verbose = true;
    else if (!same({"Tag", "Allocs", "Used", "Allocs", "Used"}))
        return std::nullopt;
    auto offset = [&](std::string_view word) { return static_cast<std::size_t>(word.data() - line.data()); };
    form.tag_column = offset(words.front());
    const std::string_view before = words[words.size() - 2];
    form.last_width = offset(words.back()) + words.back().size() - offset(before) - before.size() - 1;
    return form;
}

std::optional<PoolusedRow> poolused_row(std::string_view line, const PoolusedForm& form) {
    PoolusedRow row;
    std::string_view rest;
    if (trim(line).starts_with("TOTAL")) {
        row.total = true;
        rest = line.substr(line.find("TOTAL") + 5);
    } else {
        // Text that was pasted may have lost the blanks that lines begin with.
        std::size_t column = form.tag_column;
        if (line.find_first_not_of(' ') < column) column = line.find_first_not_of(' ');
        if (line.size() < column + 6 || line[column + 4] != ' ') return std::nullopt;
        row.tag = PoolTag::from_text(line.substr(column, 4))->bare();
        rest = line.substr(column + 4);
    }

    std::array<std::int64_t, maximum_numbers> numbers{};
    const std::size_t half = form.verbose ? 4 : 2;
    if (!read_numbers(rest, 2 * half, form.last_width, numbers)) return std::nullopt;
    for (std::size_t pool = 0; pool < 2; ++pool) {
        TagCounts& counts = pool == 0 ? row.nonpaged : row.paged;
        counts.key = {row.tag, pool == 0 ? PoolKind::nonpaged : PoolKind::paged};
        const std::int64_t* cells = numbers.data() + pool * half;
        const auto allocs = counter(cells[0]);
        const auto frees = form.verbose ? counter(cells[1]) : 0;
        if (!allocs || !frees) return std::nullopt;
        counts.allocs = *allocs;
        counts.frees = *frees;
        counts.bytes = cells[half - 1];
        if (form.verbose && static_cast<std::uint32_t>(cells[2]) != static_cast<std::uint32_t>(*allocs - *frees))
            row.contradicts = true;
    }
    return row;
}

std::optional<std::string_view> behind_prompt(std::string_view line) {
    constexpr std::size_t longest_prompt = 24; // "0: 10:x86 kd> "
    const std::size_t end = line.substr(0, longest_prompt).find("kd>");
    if (end == std::string_view::npos) return std::nullopt;
    if (line.substr(0, end).find_first_not_of(" 0123456789:xl") != std::string_view::npos) return std::nullopt;
    return trim(line.substr(end + 3));
}

bool shows_a_part(std::string_view poolused_command) {
    const auto words = split_blanks(poolused_command.substr(0, longest_header));
    std::size_t numbers = 0;
    for (std::string_view word : words.empty() ? words : std::vector(words.begin() + 1, words.end())) {
        if (word.starts_with("/t")) return true;
        if (word.starts_with('-') || word.starts_with('/')) continue;
        const bool number = std::ranges::all_of(word, is_digit);
        if (number && numbers++ == 0) continue; // the flags
        if (word != "*" && word != "\"*\"") return true;
    }
    return false;
}

} // namespace poolkd::hunt::import
