#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::render {

/// Columns of what is written for people to read, where the terminal does not say otherwise.
inline constexpr std::size_t text_width = 100;

/// Columns that a terminal shows of UTF-8 text, for the characters that we write: one each.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// Text of at most `width` columns; what was cut off shows as `mark`.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t width, std::string_view mark = "~");

/// Breaks a text between words, but not between a number and its unit, into lines of at most `width` columns; the first
/// begins with `first`, the others with `rest`. A word that is too long stands alone. Each line ends with a newline.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width, std::string_view first = {},
                                  std::string_view rest = {});

/// A table for people: every column as wide as its widest cell, the whole at most `width` (the last column gives way).
class TextTable {
  public:
    enum class Align { left, right };
    struct Column {
        std::string title;
        Align align = Align::right;
    };
    explicit TextTable(std::vector<Column> columns, std::size_t width = text_width)
        : columns_(std::move(columns)), width_(width) {}
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool empty() const { return rows_.empty(); }
    /// The titles, then a line a row, without newlines or blanks at the end.
    [[nodiscard]] std::vector<std::string> lines() const;
    [[nodiscard]] std::string text() const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
    std::size_t width_;
};

} // namespace poolkd::render
