#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// The digits at the start of `text`; nothing when there are none or the number does not fit. `length`: how many
/// characters it took.
std::optional<std::uint64_t> leading_number(std::string_view text, std::size_t& length);

/// A whole text as a number: decimal or `0x...`, blanks around it, digits grouped in threes by `,` `.` `'` or a blank,
/// and a fraction of zeros ("128.0", "128.00").
std::optional<std::int64_t> whole_number(std::string_view text);

/// A count of allocations or frees. Programs that print 32 unsigned bits as signed ones show negative numbers.
std::optional<std::uint64_t> counter(std::string_view text);
std::optional<std::uint64_t> counter(std::int64_t number);

} // namespace poolkd::hunt::import
