#include "render/characters.h"

#include <algorithm>

namespace poolkd::render {

std::optional<CodePoint> first_code_point(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) return CodePoint{lead, 1};
    const std::size_t bytes = lead >= 0xc2 && lead < 0xe0   ? 2
                              : (lead & 0xf0) == 0xe0       ? 3
                              : lead >= 0xf0 && lead < 0xf5 ? 4
                                                            : 0;
    if (bytes == 0 || text.size() < bytes) return std::nullopt;
    char32_t value = lead & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0) != 0x80) return std::nullopt;
        value = value << 6 | (next & 0x3fu);
    }
    const bool overlong = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
    const bool surrogate = value >= 0xd800 && value < 0xe000;
    if (overlong || surrogate || value > 0x10ffff) return std::nullopt;
    return CodePoint{value, bytes};
}

bool is_only_shown(char32_t c) {
    if (c < 0x20) return c == '\n' || c == '\t';
    const bool control = c >= 0x7f && c < 0xa0;
    const bool turns_writing =
        (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f;
    return !control && !turns_writing;
}

std::string terminal_text(std::string_view text) {
    constexpr char stand_in = '.';
    auto is_plain = [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t'; };
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        // Of a line end in two pieces the second one is enough; before anything else it would overwrite the line.
        if (text == "\r") break;
        const bool ends_line = text.starts_with("\r\n");
        const std::optional<CodePoint> c = first_code_point(text);
        const std::size_t bytes = c ? c->bytes : 1;
        if (ends_line || (c && is_only_shown(c->value)))
            out += text.substr(0, bytes);
        else
            out += stand_in;
        text.remove_prefix(bytes);
    }
    return out;
}

} // namespace poolkd::render
