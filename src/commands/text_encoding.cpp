#include "commands/text_encoding.h"

#include <array>
#include <span>

namespace poolkd::commands {

namespace {

constexpr std::uint32_t replacement = 0xfffd;

/// Takes one character from the front of `text`.
std::uint32_t take_character(std::string_view& text) {
    auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
    std::uint32_t first = byte(0);
    std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > text.size()) {
        text.remove_prefix(1);
        return replacement;
    }
    static constexpr std::array<std::uint32_t, 5> masks{0, 0x7f, 0x1f, 0x0f, 0x07};
    static constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    std::uint32_t value = first & masks[length];
    for (std::size_t i = 1; i < length; ++i) {
        if (byte(i) >> 6 != 2) {
            text.remove_prefix(1);
            return replacement;
        }
        value = value << 6 | (byte(i) & 0x3f);
    }
    text.remove_prefix(length);
    bool surrogate = value >= 0xd800 && value < 0xe000;
    return value < smallest[length] || value > 0x10ffff || surrogate ? replacement : value;
}

void append(ByteVector& bytes, std::uint32_t unit) {
    bytes.push_back(static_cast<std::byte>(unit & 0xff));
    bytes.push_back(static_cast<std::byte>(unit >> 8 & 0xff));
}

} // namespace

ByteVector text_bytes(std::string_view text) {
    Bytes bytes = std::as_bytes(std::span(text.data(), text.size()));
    return {bytes.begin(), bytes.end()};
}

ByteVector utf16_bytes(std::string_view utf8) {
    ByteVector bytes;
    while (!utf8.empty()) {
        std::uint32_t character = take_character(utf8);
        if (character < 0x10000) {
            append(bytes, character);
        } else {
            append(bytes, 0xd800 + ((character - 0x10000) >> 10));
            append(bytes, 0xdc00 + ((character - 0x10000) & 0x3ff));
        }
    }
    return bytes;
}

} // namespace poolkd::commands
