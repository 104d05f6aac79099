#pragma once

#include "debugger/expression.h"

#include <cstdint>
#include <optional>

namespace poolkd::debugger {

/// An address range as a command takes it. `count` is in objects of the command's element size.
struct AddressRange {
    VirtAddr address;
    std::uint64_t count = 0;
    bool explicit_count = false; ///< false: the default count was taken
    bool by_end = false;         ///< given as `address end`
    std::size_t end = 0;         ///< where the range ends in the text

    [[nodiscard]] std::uint64_t bytes(unsigned element_size) const { return count * element_size; }
};

/// Ranges larger than this need `L?` (commands.md 4.5).
inline constexpr std::uint64_t range_guard_bytes = 256ull << 20;

/// Reads `address`, `address end` (inclusive), `address L<n>`, `address L-<n>` or `address L?<n>` at `start`.
/// An error of kind `refused` with the text "Range error": too large without `?`, or an end before the address.
[[nodiscard]] Result<AddressRange> parse_range(std::string_view text, std::size_t start, unsigned element_size,
                                               std::uint64_t default_count, ExpressionContext& context);

/// The same after an address that is known already: the end or the length, if one follows.
[[nodiscard]] Result<AddressRange> parse_range_end(std::string_view text, std::size_t start, VirtAddr address,
                                                   unsigned element_size, std::uint64_t default_count,
                                                   ExpressionContext& context);

} // namespace poolkd::debugger
