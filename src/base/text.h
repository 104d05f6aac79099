#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd {

[[nodiscard]] char to_lower(char c);
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] bool equals_ignore_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string_view trim(std::string_view text);
/// Pieces between runs of blanks; no empty pieces.
[[nodiscard]] std::vector<std::string_view> split_blanks(std::string_view text);
/// Pieces between `separator`; empty pieces are kept.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// "12"; nothing for anything else than a decimal number of 32 bits.
[[nodiscard]] std::optional<std::uint32_t> decimal_number(std::string_view text);
/// "0f3a": two digits a byte, nothing between.
[[nodiscard]] std::string hex_text(Bytes bytes);

struct WildcardOptions {
    bool ignore_case = true;
    bool sets = true; ///< also `[a-f]`, `#`, `+` and `\`, as kd's string wildcards have (commands.md section 3)
};

/// True when the whole of `text` matches `pattern`. Runs in time proportional to pattern × text, whatever the pattern.
[[nodiscard]] bool wildcard_match(std::string_view pattern, std::string_view text, WildcardOptions options = {});
/// True when the pattern holds a wildcard character.
[[nodiscard]] bool has_wildcard(std::string_view pattern);

/// kd's way to print an address: "fffff804`7ac15e40" for 8-byte pointers, "8154f3a0" for 4-byte ones (low half).
[[nodiscard]] std::string format_address(std::uint64_t value, unsigned pointer_size = 8);

} // namespace poolkd
