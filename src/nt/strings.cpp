#include "nt/strings.h"

#include <algorithm>

namespace poolkd::nt {

namespace {

constexpr std::size_t max_characters = 1024;

void append_utf8(std::string& out, std::uint32_t c) {
    auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xc0 | (c >> 6));
        put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        put(0xe0 | (c >> 12));
        put(0x80 | ((c >> 6) & 0x3f));
        put(0x80 | (c & 0x3f));
    } else {
        put(0xf0 | (c >> 18));
        put(0x80 | ((c >> 12) & 0x3f));
        put(0x80 | ((c >> 6) & 0x3f));
        put(0x80 | (c & 0x3f));
    }
}

} // namespace

std::string utf8_from_utf16(Bytes utf16) {
    std::string out;
    for (std::size_t i = 0; i + 1 < utf16.size(); i += 2) {
        std::uint32_t c = load_or<std::uint16_t>(utf16, i);
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < utf16.size()) {
            std::uint32_t low = load_or<std::uint16_t>(utf16, i + 2);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        append_utf8(out, (c >= 0xd800 && c < 0xe000) || c < 0x20 || c == 0x7f ? '?' : c);
    }
    return out;
}

Result<std::string> read_unicode_string(memory::AddressSpace& memory, VirtAddr address, const Machine& machine) {
    const unsigned pointer = machine.pointer_size;
    POOLKD_TRY(ByteVector record, memory::read_exact(memory, address, 2u * pointer));
    std::size_t length = std::min<std::size_t>(load_or<std::uint16_t>(record, 0), max_characters * 2);
    VirtAddr buffer = machine.canonical(load_unsigned(record, pointer, pointer).value_or(0));
    if (length == 0 || !buffer) return std::string{};
    POOLKD_TRY(ByteVector text, memory::read_exact(memory, buffer, length));
    return utf8_from_utf16(text);
}

} // namespace poolkd::nt
