#pragma once

#include "commands/memory_view.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace poolkd::commands {

enum class ElementStyle { hex, single_float, double_float };

/// How a `d*` command lays out its rows (commands.md 5.1).
struct RowFormat {
    std::string_view name;
    unsigned element_size; ///< bytes
    unsigned per_row;      ///< elements
    std::uint64_t default_count;
    bool characters = false; ///< an ASCII column follows
    ElementStyle style = ElementStyle::hex;
};

/// The format of `db`, `dw`, `dW`, `dd`, `dc`, `dq`, `df` or `dD`.
[[nodiscard]] const RowFormat& row_format(std::string_view name);

/// Elements of one row, padded to the full width when an ASCII column follows; that column; unreadable elements are
/// `??`, `????`, … and `?`. `first` and `count` in elements of the piece.
[[nodiscard]] std::string row_text(const RowFormat& format, unsigned per_row, const MemoryPiece& piece,
                                   std::size_t first, std::size_t count);

/// One element as `row_text` shows it; of 8 bytes with the grave in the middle.
[[nodiscard]] std::string element_text(unsigned size, std::uint64_t value);
[[nodiscard]] std::string unreadable_text(unsigned size);
/// The character, or '.' when it cannot be shown.
[[nodiscard]] char shown(std::uint32_t character);

} // namespace poolkd::commands
