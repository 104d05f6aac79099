#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::render {

struct CodePoint {
    char32_t value = 0;
    std::size_t bytes = 0;
};

/// The character at the front of a text that is not empty; nothing when its bytes are no UTF-8.
[[nodiscard]] std::optional<CodePoint> first_code_point(std::string_view text);

/// False for characters that do something: control characters but for line ends and tabs, and those that turn the
/// direction of writing.
[[nodiscard]] bool is_only_shown(char32_t c);

/// Text for a terminal: what else than being shown it might do there, and bytes that are no UTF-8, are dots; a
/// carriage return at the end is left out. Names of symbols, exports and files come from the target and must not steer
/// the terminal.
[[nodiscard]] std::string terminal_text(std::string_view text);

} // namespace poolkd::render
