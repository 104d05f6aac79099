#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// Of the ten; the locale has no say.
[[nodiscard]] bool is_digit(char c);

/// The digits at the start of `text`; nothing when there are none or the number does not fit. `length`: how many
/// characters it took.
std::optional<std::uint64_t> leading_number(std::string_view text, std::size_t& length);

/// A whole text as a number: decimal or `0x...`, blanks around it, digits grouped in threes by `,` `.` `'` or a blank,
/// and a fraction of zeros ("128.0", "128.00"). Nothing where the grouping leaves two readings: "1.234", and with
/// `decimal_comma` also "1,234", may be a fraction.
std::optional<std::int64_t> whole_number(std::string_view text, bool decimal_comma = false);

/// The same times `unit`; where that is not 1, fractions are read too, but not those of three digits, which may be a
/// group.
std::optional<std::int64_t> scaled_number(std::string_view text, std::int64_t unit, bool decimal_comma = false);

/// A count of allocations or frees. Programs that print 32 unsigned bits as signed ones show negative numbers.
std::optional<std::uint64_t> counter(std::string_view text, bool decimal_comma = false);
std::optional<std::uint64_t> counter(std::int64_t number);

} // namespace poolkd::hunt::import
