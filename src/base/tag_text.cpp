#include "base/tag_text.h"

#include <charconv>

namespace poolkd {

namespace {

constexpr std::string_view escape = "\\x";
constexpr std::size_t escape_digits = 2, most_digits = 8;

std::optional<std::uint32_t> hex_number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

std::optional<std::uint32_t> number_in(std::string_view word) {
    if (word.starts_with("0x") || word.starts_with("0X")) {
        word.remove_prefix(2);
        return word.size() <= most_digits ? hex_number(word) : std::nullopt;
    }
    return word.size() == most_digits ? hex_number(word) : std::nullopt;
}

bool is_quoted(std::string_view word) {
    return word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front();
}

/// With escapes replaced; anything else stands for itself, a backslash too.
std::string unescaped(std::string_view text) {
    std::string characters;
    while (!text.empty()) {
        const auto value = text.starts_with(escape) && text.size() >= escape.size() + escape_digits
                               ? hex_number(text.substr(escape.size(), escape_digits))
                               : std::nullopt;
        characters += value ? static_cast<char>(*value) : text.front();
        text.remove_prefix(value ? escape.size() + escape_digits : 1);
    }
    return characters;
}

/// Begins with 0x or 0X.
bool looks_like_number(PoolTag tag) {
    return (tag.value & 0xff) == '0' && (tag.value >> 8 & 0xdf) == 'X';
}

} // namespace

Result<PoolTag> parse_tag(std::string_view word) {
    std::string_view text = word;
    if (is_quoted(word)) {
        text = word.substr(1, word.size() - 2);
    } else if (auto value = number_in(word)) {
        return PoolTag(*value);
    }
    if (auto tag = PoolTag::from_text(unescaped(text))) return *tag;
    return fail(ErrorKind::usage, "'{}' is no tag: one to four characters (\\x01 is one), or a number like 0x20636241",
                word);
}

std::string typed_tag(PoolTag tag) {
    std::string text;
    for (unsigned i = 0; i < 4; ++i) {
        const std::uint32_t c = tag.value >> (8 * i) & 0xff;
        const bool typed = c >= 0x20 && c <= 0x7e && c != '"' && c != '\'' && c != '\\';
        if (typed && !(i == 0 && looks_like_number(tag))) {
            text += static_cast<char>(c);
        } else {
            text += fmt::format("{}{:02x}", escape, c);
        }
    }
    return text;
}

} // namespace poolkd
