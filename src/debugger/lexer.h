#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

/// One command of a line, without the blanks around it. `offset` counts characters from the start of the line.
struct CommandText {
    std::string_view text;
    std::size_t offset = 0;
};

/// The commands of a line, separated by `;` (commands.md section 3). Quoted text and braces are left whole; comments
/// (`$$` up to the next `;`, `*` up to the end) are dropped; `as`, `$<`, `$><` and `.shell` take the rest of the line.
/// The pieces point into `line`.
[[nodiscard]] std::vector<CommandText> split_commands(std::string_view line);

/// The position just behind the quoted text that begins at `start`, or `start` when no quoted text begins there.
/// `"` quotes with `\"` inside, and an open one reaches to the end; `'` quotes only where a word may begin and where it
/// is closed (so that "don't" is a word), because ' cbA' is a number of one word.
[[nodiscard]] std::size_t end_of_quoted(std::string_view text, std::size_t start);

[[nodiscard]] bool is_blank(char c);
/// Letters, digits and `_`.
[[nodiscard]] bool is_word_character(char c);

} // namespace poolkd::debugger
