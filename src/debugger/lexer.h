#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace poolkd::debugger {

/// One command of a line, without the blanks around it. `offset` counts characters from the start of the line.
struct CommandText {
    std::string_view text;
    std::size_t offset = 0;
};

/// The commands of a text, separated by `;` or by line ends (commands.md section 3). Quoted text and braces are left
/// whole, and so are control tokens with their blocks (`.if (c) {…} .else {…}`), with whatever separators stand between
/// the parts; comments (`$$` up to the next `;`, `*` up to the end of the line) are dropped; `as`, `j`, `$<`, `$><` and
/// `.shell` take the rest of the line. The pieces point into `text`.
[[nodiscard]] std::vector<CommandText> split_commands(std::string_view text);

/// Parts of `text` between `;`, at most `most`: the last one keeps what is left. Quotes, brackets and braces are whole.
[[nodiscard]] std::vector<std::string_view> split_semicolons(std::string_view text, std::size_t most);

/// The position just behind the quoted text that begins at `start`, or `start` when no quoted text begins there.
/// `"` quotes with `\"` and `\\` inside, and an open one reaches to the end of the line; `'` quotes only where a word
/// may begin and where it is closed on the line (so that "don't" is a word), because ' cbA' is a number of one word.
[[nodiscard]] std::size_t end_of_quoted(std::string_view text, std::size_t start);

/// The position just behind the `)` or `}` that closes the bracket at `start`; nothing when it stays open. Quotes are
/// whole, and in comments they mean nothing.
[[nodiscard]] std::optional<std::size_t> end_of_group(std::string_view text, std::size_t start);

/// Where the block of a control token begins: the first `{` from `start` on that stands outside quotes and brackets and
/// is no alias `${…}`. Nothing when another command begins before it.
[[nodiscard]] std::optional<std::size_t> find_block(std::string_view text, std::size_t start);

/// Behind blanks, line ends and `;`.
[[nodiscard]] std::size_t skip_to_command(std::string_view text, std::size_t at);

/// True when the word `name` stands at `at`, without regard to case.
[[nodiscard]] bool word_at(std::string_view text, std::size_t at, std::string_view name);

/// `\"` or `\\` at `at`: the second character stands for itself.
[[nodiscard]] bool is_escape(std::string_view text, std::size_t at);

[[nodiscard]] bool is_blank(char c);
/// Letters, digits and `_`.
[[nodiscard]] bool is_word_character(char c);

} // namespace poolkd::debugger
