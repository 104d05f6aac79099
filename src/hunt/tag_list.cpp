#include "hunt/tag_list.h"

#include "hunt/import/input.h"
#include "hunt/import/text_lines.h"
#include "hunt/tag_line.h"

#include <algorithm>
#include <utility>

namespace poolkd::hunt {

namespace {

bool is_pattern(std::string_view text) {
    return text.find_first_of("*?") != std::string_view::npos;
}

/// Characters that a pattern fixes.
std::size_t fixed(std::string_view pattern) {
    return pattern.size() -
           static_cast<std::size_t>(std::ranges::count_if(pattern, [](char c) { return c == '*' || c == '?'; }));
}

} // namespace

/// Nearly all patterns are characters, `?`, and perhaps a `*` at the end: a mask tells them in one comparison.
TagLists::Pattern TagLists::compile(const TagEntry& entry, std::size_t index) {
    Pattern pattern{.mask = 0, .value = 0, .rest = false, .entry = index};
    for (std::size_t i = 0; i < entry.pattern.size() && i < 4; ++i) {
        const char c = entry.pattern[i];
        if (c == '?') continue;
        if (c == '*') {
            pattern.rest = i + 1 != entry.pattern.size();
            break;
        }
        pattern.mask |= 0xffu << (8 * i);
        pattern.value |= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << (8 * i);
    }
    // The protected bit is no part of a tag (base/tag.h).
    pattern.mask &= ~PoolTag::protected_bit;
    pattern.value &= ~PoolTag::protected_bit;
    return pattern;
}

Result<void> TagLists::add(const std::filesystem::path& file) {
    POOLKD_TRY(const auto input, import::file_input(file));
    POOLKD_TRY(auto stream, input.open());
    import::TextBytes bytes(std::move(stream), import::TextForm::narrow);
    std::string text;
    constexpr std::size_t maximum_bytes = 64u << 20;
    while (bytes.more(text))
        if (text.size() > maximum_bytes)
            return fail(ErrorKind::malformed, "{} is too long for a list of tags", file.string());
    if (bytes.failed()) return fail(ErrorKind::io, "{} cannot be read", file.string());
    add_text(text);
    if (lists_.back().exact.empty() && lists_.back().patterns.empty())
        return fail(ErrorKind::malformed, "{} is no list of tags: no line of it reads `Tag - binary - description`",
                    file.string());
    return {};
}

void TagLists::add_text(std::string_view text) {
    List list;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (is_tag_remark(line)) continue;
        auto entry = tag_line(line);
        if (!entry) {
            ++skipped_;
            continue;
        }
        const std::size_t index = list.entries.size();
        if (is_pattern(entry->pattern))
            list.patterns.push_back(compile(*entry, index));
        else
            list.exact.push_back({PoolTag::from_text(entry->pattern)->bare().value, index});
        list.entries.push_back(*std::move(entry));
    }
    // Ties go to the line that came first.
    std::ranges::sort(list.exact, {}, [](const Exact& e) { return std::pair(e.tag, e.entry); });
    std::ranges::sort(list.patterns, {}, [&](const Pattern& p) {
        return std::pair(-static_cast<std::ptrdiff_t>(fixed(list.entries[p.entry].pattern)), p.entry);
    });
    lists_.push_back(std::move(list));
}

std::optional<TagEntry> TagLists::find(PoolTag tag) const {
    tag = tag.bare();
    for (const List& list : lists_) {
        auto exact = std::ranges::lower_bound(list.exact, tag.value, {}, &Exact::tag);
        if (exact != list.exact.end() && exact->tag == tag.value) return list.entries[exact->entry];
        for (const Pattern& pattern : list.patterns) {
            if ((tag.value & pattern.mask) != pattern.value) continue;
            const TagEntry& entry = list.entries[pattern.entry];
            if (!pattern.rest || tag_matches(tag, entry.pattern)) return entry;
        }
    }
    return std::nullopt;
}

} // namespace poolkd::hunt
