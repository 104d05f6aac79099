#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd {

/// A pool tag: four bytes, first character in the lowest byte, as it lies in memory. Bit 31 of a tag stored in a pool
/// header is the protected-pool flag and no part of the tag (pool.md 3.1): `bare()` clears it.
struct PoolTag {
    std::uint32_t value = 0;

    static constexpr std::uint32_t protected_bit = 0x80000000u;

    constexpr PoolTag() = default;
    constexpr explicit PoolTag(std::uint32_t v) : value(v) {}
    constexpr auto operator<=>(const PoolTag&) const = default;

    [[nodiscard]] constexpr PoolTag bare() const { return PoolTag(value & ~protected_bit); }
    [[nodiscard]] constexpr bool is_protected() const { return (value & protected_bit) != 0; }

    /// Four characters in memory order; bytes outside 0x20..0x7e show as '.'.
    [[nodiscard]] std::string text() const;
    /// True when all four bytes are printable ASCII.
    [[nodiscard]] bool printable() const;
    /// The tag whose bytes are the other way round.
    [[nodiscard]] PoolTag reversed() const;

    /// From one to four characters in memory order, padded with blanks: "Abc" and "Abc " are one tag.
    static std::optional<PoolTag> from_text(std::string_view text);
};

/// Matches a tag against kd's tag patterns: only `*` (any run) and `?` (any one); shorter patterns are padded with
/// blanks unless they end in `*`. Case matters.
[[nodiscard]] bool tag_matches(PoolTag tag, std::string_view pattern);

} // namespace poolkd
