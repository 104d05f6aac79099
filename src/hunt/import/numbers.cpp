#include "hunt/import/numbers.h"

#include "base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace poolkd::hunt::import {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

namespace {

template <class T>
std::optional<T> all_digits(std::string_view text, int base = 10) {
    T value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// "1,234,567", "1 234", "12.00" to digits only; nothing when the groups are not of three, or may be a fraction.
std::optional<std::string> without_groups(std::string_view text, bool decimal_comma) {
    std::string digits;
    std::size_t group = 0;  // digits since the last separator
    std::size_t groups = 0; // behind separators
    char separator = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_digit(text[i])) {
            digits += text[i];
            ++group;
            continue;
        }
        if (text.substr(i).starts_with("\xc2\xa0")) ++i; // no-break space in UTF-8
        const bool known = std::string_view(",.' _\xa0").find(text[i]) != std::string_view::npos;
        if (!known || group == 0 || (groups != 0 && group != 3)) return std::nullopt;
        const std::string_view rest = text.substr(i + 1);
        if ((text[i] == '.' || text[i] == ',') && !rest.empty() && rest.size() != 3 &&
            rest.find_first_not_of('0') == std::string_view::npos)
            return digits;
        if (groups != 0 && text[i] != separator) return std::nullopt;
        separator = text[i];
        ++groups;
        group = 0;
    }
    if (groups != 0 && group != 3) return std::nullopt;
    if (groups == 1 && (separator == '.' || (separator == ',' && decimal_comma))) return std::nullopt;
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

std::optional<std::int64_t> whole_number(std::string_view text, bool decimal_comma) {
    if (auto plain = all_digits<std::int64_t>(text)) return plain;
    text = trim(text);
    if (text.starts_with("0x") || text.starts_with("0X")) return all_digits<std::int64_t>(text.substr(2), 16);
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    auto digits = without_groups(text, decimal_comma);
    if (!digits) return std::nullopt;
    auto value = all_digits<std::int64_t>(*digits);
    if (value && negative) *value = -*value;
    return value;
}

std::optional<std::int64_t> scaled_number(std::string_view text, std::int64_t unit, bool decimal_comma) {
    std::int64_t value = 0;
    if (auto whole = whole_number(text, decimal_comma)) {
        if (__builtin_mul_overflow(*whole, unit, &value)) return std::nullopt;
        return value;
    }
    text = trim(text);
    const std::size_t point = text.find_last_of(decimal_comma ? ".," : ".");
    if (unit == 1 || point == std::string_view::npos) return std::nullopt;
    const std::string_view digits = text.substr(point + 1);
    const auto whole = whole_number(text.substr(0, point), decimal_comma);
    constexpr std::size_t used_digits = 9; // more would overflow, and are less than a byte
    const auto fraction = all_digits<std::int64_t>(digits.substr(0, used_digits));
    if (!whole || !fraction || *fraction < 0 || digits.size() == 3 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos ||
        __builtin_mul_overflow(*whole, unit, &value))
        return std::nullopt;
    double part = static_cast<double>(*fraction) * static_cast<double>(unit);
    for (std::size_t i = 0; i < std::min(digits.size(), used_digits); ++i)
        part /= 10;
    const auto rounded = static_cast<std::int64_t>(std::llround(part));
    if (__builtin_add_overflow(value, text.starts_with('-') ? -rounded : rounded, &value)) return std::nullopt;
    return value;
}

std::optional<std::uint64_t> counter(std::int64_t number) {
    if (number >= 0) return static_cast<std::uint64_t>(number);
    if (number < -(std::int64_t{1} << 31)) return std::nullopt;
    return static_cast<std::uint64_t>(number + (std::int64_t{1} << 32));
}

std::optional<std::uint64_t> counter(std::string_view text, bool decimal_comma) {
    auto number = whole_number(text, decimal_comma);
    return number ? counter(*number) : std::nullopt;
}

} // namespace poolkd::hunt::import
