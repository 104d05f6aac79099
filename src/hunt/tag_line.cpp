#include "hunt/tag_line.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::string_view blanks = " \t";
constexpr auto npos = std::string_view::npos;

std::string_view trim_end(std::string_view text) {
    const std::size_t last = text.find_last_not_of(" \t\r");
    return last == npos ? std::string_view() : text.substr(0, last + 1);
}

/// Old lists are Latin-1; what is no UTF-8 is taken as that.
std::string as_utf8(std::string_view text) {
    bool valid = true;
    for (std::size_t i = 0; i < text.size() && valid; ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        std::size_t more = c < 0x80                ? 0
                           : c >= 0xc2 && c < 0xe0 ? 1
                           : c >= 0xe0 && c < 0xf0 ? 2
                           : c >= 0xf0 && c < 0xf5 ? 3
                                                   : 9;
        if (i + more >= text.size() + (more == 0 ? 1 : 0)) valid = false;
        for (; valid && more != 0; --more)
            valid = (static_cast<unsigned char>(text[++i]) & 0xc0) == 0x80;
    }
    if (valid) return std::string(text);
    std::string out;
    for (char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            out += c;
        } else {
            out += static_cast<char>(0xc0 | byte >> 6);
            out += static_cast<char>(0x80 | (byte & 0x3f));
        }
    }
    return out;
}

bool names_a_file(std::string_view text) {
    const std::string lower = to_lower(text);
    return std::ranges::any_of(std::initializer_list<std::string_view>{".sys", ".dll", ".exe"},
                               [&](std::string_view end) { return lower.find(end) != npos; }) ||
           lower.find('!') != npos;
}

/// Tags that are shorter than four are filled up with blanks, but not patterns with `*`.
std::optional<std::string> pattern_from(std::string_view text) {
    const bool any_run = text.find('*') != npos;
    if (any_run) text = trim_end(text);
    if (trim(text).empty() || text.size() > 4) return std::nullopt;
    std::string pattern(text);
    if (!any_run) pattern.resize(4, ' ');
    return pattern;
}

struct Cut {
    std::string pattern;
    std::string_view rest; ///< behind the dash
};

/// A tag may hold dashes and blanks, so the first four characters are it wherever a dash follows them. Only then may
/// the first dash end a shorter one ("ab - x.sys").
std::optional<Cut> cut_tag(std::string_view line) {
    if (line.size() > 4) {
        const std::string_view rest = line.substr(4);
        const std::size_t next = rest.find_first_not_of(blanks);
        if (next != npos && rest[next] == '-')
            if (auto pattern = pattern_from(line.substr(0, 4))) return Cut{*std::move(pattern), rest.substr(next + 1)};
    }
    const std::size_t dash = line.find('-', 1);
    if (dash == npos) return std::nullopt;
    auto pattern = pattern_from(trim(line.substr(0, dash)));
    if (!pattern) return std::nullopt;
    return Cut{*std::move(pattern), line.substr(dash + 1)};
}

/// Where the dash between binary and description is: with blanks around it, with one, else behind a file name.
std::size_t find_dash(std::string_view text) {
    if (const std::size_t at = text.find(" - "); at != npos) return at + 1;
    for (std::size_t at = text.find('-'); at != npos; at = text.find('-', at + 1)) {
        const bool before = at > 0 && blanks.find(text[at - 1]) != npos;
        const bool after = at + 1 == text.size() || blanks.find(text[at + 1]) != npos;
        const std::string_view left = text.substr(0, at);
        if (before || after || left.ends_with('>') || (left.size() > 4 && left[left.size() - 4] == '.')) return at;
    }
    return npos;
}

std::string binary_from(std::string_view text) {
    text = trim(text);
    if (equals_ignore_case(text, "<unknown>") || equals_ignore_case(text, "unknown")) return {};
    return as_utf8(text);
}

/// `Abc  driver.sys other.sys`
std::optional<TagEntry> local_line(std::string_view line) {
    if (line.size() < 6 || blanks.find(line[4]) == npos) return std::nullopt;
    const std::string_view rest = trim(line.substr(4));
    const std::string_view first = rest.substr(0, rest.find_first_of(blanks));
    if (!names_a_file(first) || first.find('!') != npos) return std::nullopt;
    auto pattern = pattern_from(line.substr(0, 4));
    if (!pattern) return std::nullopt;
    return TagEntry{.pattern = *std::move(pattern), .binary = as_utf8(rest), .description = {}};
}

} // namespace

bool is_tag_remark(std::string_view line) {
    const std::string_view text = trim(line);
    constexpr std::string_view end_of_file = "\x1a"; // Ctrl-Z, which old editors put at the end
    if (text.empty() || text == end_of_file || text.starts_with("//")) return true;
    return equals_ignore_case(text.substr(0, 3), "rem") && (text.size() == 3 || blanks.find(text[3]) != npos);
}

std::optional<TagEntry> tag_line(std::string_view line) {
    line = trim_end(line);
    auto cut = cut_tag(line);
    if (!cut) return local_line(line);
    TagEntry entry{.pattern = std::move(cut->pattern), .binary = {}, .description = {}};
    const std::string_view rest = trim(cut->rest);
    if (const std::size_t dash = find_dash(rest); dash != npos) {
        entry.binary = binary_from(rest.substr(0, dash));
        entry.description = as_utf8(trim(rest.substr(dash + 1)));
    } else if (names_a_file(rest) && rest.find_first_of(blanks) == npos) {
        entry.binary = binary_from(rest);
    } else if (!equals_ignore_case(rest, "<unknown>")) {
        entry.description = as_utf8(rest); // "ATmp - AppTag mount point"
    }
    return entry;
}

} // namespace poolkd::hunt
