#include "commands/memory_rows.h"

#include <algorithm>
#include <bit>

namespace poolkd::commands {

namespace {

constexpr RowFormat formats[] = {
    {"db", 1, 16, 128, true},
    {"dw", 2, 8, 64},
    {"dW", 2, 8, 64, true},
    {"dd", 4, 4, 32},
    {"dc", 4, 4, 32, true},
    {"dq", 8, 2, 16},
    {"df", 4, 4, 16, false, ElementStyle::single_float},
    {"dD", 8, 3, 15, false, ElementStyle::double_float},
};

unsigned element_width(const RowFormat& format) {
    if (format.style == ElementStyle::single_float) return 16;
    if (format.style == ElementStyle::double_float) return 22;
    return format.element_size == 8 ? 17 : format.element_size * 2;
}

std::string formatted(const RowFormat& format, std::uint64_t value) {
    switch (format.style) {
    case ElementStyle::single_float:
        return fmt::format("{:16.8g}", static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(value))));
    case ElementStyle::double_float: return fmt::format("{:22.12g}", std::bit_cast<double>(value));
    case ElementStyle::hex: break;
    }
    return element_text(format.element_size, value);
}

} // namespace

const RowFormat& row_format(std::string_view name) {
    auto found = std::ranges::find(formats, name, &RowFormat::name);
    return found == std::end(formats) ? formats[0] : *found;
}

std::string element_text(unsigned size, std::uint64_t value) {
    if (size == 8) return fmt::format("{:08x}`{:08x}", value >> 32, value & 0xffffffff);
    return fmt::format("{:0{}x}", value, size * 2);
}

std::string unreadable_text(unsigned size) {
    if (size == 8) return "????????`????????";
    return std::string(size * 2, '?');
}

char shown(std::uint32_t character) {
    return character >= 0x20 && character <= 0x7e ? static_cast<char>(character) : '.';
}

std::string row_text(const RowFormat& format, unsigned per_row, const MemoryPiece& piece, std::size_t first,
                     std::size_t count) {
    const unsigned size = format.element_size;
    std::string row;
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t at = (first + i) * size;
        // The middle of a full row of bytes is marked.
        if (i > 0) row += size == 1 && i == 8 && per_row == 16 ? '-' : ' ';
        row += piece.all_readable(at, size) ? formatted(format, load_unsigned(piece.bytes, at, size).value_or(0))
                                            : fmt::format("{:>{}}", unreadable_text(size), element_width(format));
    }
    if (!format.characters) return row;
    row.resize(per_row * (element_width(format) + 1u) - 1u, ' ');
    row += "  ";
    for (std::size_t i = first * size; i < (first + count) * size; ++i)
        row += piece.all_readable(i, 1) ? shown(std::to_integer<std::uint32_t>(piece.bytes[i])) : '?';
    return row;
}

} // namespace poolkd::commands
