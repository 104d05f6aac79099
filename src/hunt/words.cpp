#include "hunt/words.h"

#include "base/tag_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

std::string tag_word(PoolTag tag) {
    const std::string text = tag.text();
    return text.find(' ') == std::string::npos ? text : "'" + text + "'";
}

std::string tag_argument_word(PoolTag tag) {
    const std::string text = typed_tag(tag);
    // Anything else may begin an option or an expression, or end the word.
    const auto is_plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '\\';
    };
    return std::ranges::all_of(text, is_plain) ? text : '"' + text + '"';
}

std::string_view pool_word(PoolKind kind) {
    return kind == PoolKind::paged ? "paged" : "nonpaged";
}

std::string names_text(std::span<const std::string> names, std::size_t shown) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < shown; ++i)
        text += (i != 0 ? ", " : "") + names[i];
    if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
    return text;
}

std::string percent(double part) {
    const double value = part * 100;
    return value != 0 && std::abs(value) < 0.995 ? fmt::format("{:.2g} %", value) : fmt::format("{:.0f} %", value);
}

std::string chance_text(double chance) {
    if (chance < 1e-12) return "practically never by chance";
    if (chance < 1e-6) return "by chance less than once in a million";
    if (chance > 0.1) return "often by chance";
    return fmt::format("by chance once in {:.0f}", 1 / chance);
}

std::string hours_text(double hours) {
    if (hours >= 48) return fmt::format("{:.1f} days", hours / 24);
    if (hours >= 2) return fmt::format("{:.1f} hours", hours);
    if (hours >= 1.0 / 30) return fmt::format("{:.0f} minutes", hours * 60);
    return fmt::format("{:.0f} seconds", hours * 3600);
}

} // namespace poolkd::hunt
