#include "hunt/import/numbers.h"

#include "base/text.h"

#include <charconv>
#include <string>

namespace poolkd::hunt::import {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

template <class T>
std::optional<T> all_digits(std::string_view text, int base = 10) {
    T value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "1,234,567", "1 234", "12.00" to digits only; nothing when the groups are not of three.
std::optional<std::string> without_groups(std::string_view text) {
    std::string digits;
    std::size_t group = 0;  // digits since the last separator
    bool separated = false; // a separator was seen
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_digit(text[i])) {
            digits += text[i];
            ++group;
            continue;
        }
        if (text.substr(i).starts_with("\xc2\xa0")) ++i; // no-break space in UTF-8
        const bool known = std::string_view(",.' _\xa0").find(text[i]) != std::string_view::npos;
        if (!known || group == 0 || (separated && group != 3)) return std::nullopt;
        const std::string_view rest = text.substr(i + 1);
        if ((text[i] == '.' || text[i] == ',') && !rest.empty() && rest.size() != 3 &&
            rest.find_first_not_of('0') == std::string_view::npos)
            return digits;
        separated = true;
        group = 0;
    }
    if (separated && group != 3) return std::nullopt;
    return digits;
}

} // namespace

std::optional<std::uint64_t> leading_number(std::string_view text, std::size_t& length) {
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    length = static_cast<std::size_t>(end - text.data());
    return value;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    if (auto plain = all_digits<std::int64_t>(text)) return plain;
    text = trim(text);
    if (text.starts_with("0x") || text.starts_with("0X")) return all_digits<std::int64_t>(text.substr(2), 16);
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    auto digits = without_groups(text);
    if (!digits) return std::nullopt;
    auto value = all_digits<std::int64_t>(*digits);
    if (value && negative) *value = -*value;
    return value;
}

std::optional<std::uint64_t> counter(std::int64_t number) {
    if (number >= 0) return static_cast<std::uint64_t>(number);
    if (number < -(std::int64_t{1} << 31)) return std::nullopt;
    return static_cast<std::uint64_t>(number + (std::int64_t{1} << 32));
}

std::optional<std::uint64_t> counter(std::string_view text) {
    auto number = whole_number(text);
    return number ? counter(*number) : std::nullopt;
}

} // namespace poolkd::hunt::import
