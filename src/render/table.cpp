#include "render/table.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::render {

namespace {

bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

} // namespace

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string shortened(std::string_view text, std::size_t width, std::string_view mark) {
    if (display_width(text) <= width) return std::string(text);
    const std::size_t marked = display_width(mark);
    if (width <= marked) return std::string(width, ' ');
    std::size_t columns = 0, end = 0;
    for (; end < text.size(); ++end)
        if (begins_character(text[end]) && ++columns > width - marked) break;
    return std::string(text.substr(0, end)) + std::string(mark);
}

namespace {

/// "GB" or "%": stays with its number.
bool is_unit(std::string_view word) {
    const std::size_t end = word.find_first_of(".,;:)");
    word = word.substr(0, end);
    return word == "%" || word == "B" || (word.size() == 2 && word[1] == 'B' && word[0] >= 'A' && word[0] <= 'Z');
}

/// Words that a line must not break, each with the unit behind it.
std::vector<std::string> unbroken_words(std::string_view text) {
    std::vector<std::string> words;
    for (std::string_view word : split_blanks(text)) {
        const bool joins = !words.empty() && is_unit(word) && words.back().back() >= '0' && words.back().back() <= '9';
        if (joins) {
            words.back() += ' ';
            words.back() += word;
        } else {
            words.emplace_back(word);
        }
    }
    return words;
}

} // namespace

std::string wrapped(std::string_view text, std::size_t width, std::string_view first, std::string_view rest) {
    std::string out, line(first);
    bool fresh = true;
    for (const std::string& word : unbroken_words(text)) {
        if (!fresh && display_width(line) + 1 + display_width(word) > width) {
            out += line + "\n";
            line = rest;
            fresh = true;
        }
        if (!fresh) line += ' ';
        line += word;
        fresh = false;
    }
    return out + line + "\n";
}

std::vector<std::string> TextTable::lines() const {
    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (const Column& column : columns_)
        widths.push_back(display_width(column.title));
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], display_width(row[i]));
    std::vector<std::string> lines;
    auto add_line = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            std::string cell = cell_of(i);
            if (i != 0) line += "  ";
            if (i + 1 == columns_.size() && columns_[i].align == Align::left) {
                const std::size_t used = display_width(line);
                cell = shortened(cell, used < width_ ? width_ - used : 0);
            }
            const std::string pad(widths[i] - std::min(widths[i], display_width(cell)), ' ');
            line += columns_[i].align == Align::left ? cell + pad : pad + cell;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        lines.push_back(std::move(line));
    };
    add_line([&](std::size_t i) { return columns_[i].title; });
    for (const auto& row : rows_)
        add_line([&](std::size_t i) { return i < row.size() ? row[i] : std::string(); });
    return lines;
}

std::string TextTable::text() const {
    std::string text;
    for (const std::string& line : lines())
        text += line + "\n";
    return text;
}

} // namespace poolkd::render
