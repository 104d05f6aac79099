#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace poolkd::testing {

/// A PE32+ or PE32 image of four pages in memory layout (headers, .text at 0x1000, .rdata at 0x2000, INIT at 0x3000),
/// written field by field. In file layout its sections lie at 0x400, 0x800 and 0xc00, one 0x400 each.
class ImageBuilder {
  public:
    explicit ImageBuilder(bool is_64 = true) : bytes_(0x4000), is_64_(is_64) {
        put<std::uint16_t>(0, 0x5a4d);
        put<std::uint32_t>(0x3c, pe);
        put<std::uint32_t>(pe, 0x4550);
        put<std::uint16_t>(pe + 4, is_64 ? 0x8664 : 0x14c);
        put<std::uint16_t>(pe + 6, 3);
        put<std::uint32_t>(pe + 8, 0x4d3c2b1a);
        put<std::uint16_t>(pe + 20, optional_bytes());
        put<std::uint16_t>(pe + 24, is_64 ? 0x20b : 0x10b);
        put<std::uint32_t>(pe + 24 + 16, 0x1010);
        if (is_64) {
            put<std::uint64_t>(pe + 24 + 24, 0x140000000);
        } else {
            put<std::uint32_t>(pe + 24 + 28, 0x400000);
        }
        put<std::uint32_t>(pe + 24 + 32, 0x1000);
        put<std::uint32_t>(pe + 24 + 56, 0x4000);
        put<std::uint32_t>(pe + 24 + 60, 0x400);
        put<std::uint32_t>(pe + 24 + 64, 0xabcdef);
        put<std::uint16_t>(pe + 24 + 68, 1);
        put<std::uint32_t>(pe + 24 + first_directory() - 4, 16);
        section(0, ".text", 0x1000, 0x400, 0x60000020);
        section(1, ".rdata", 0x2000, 0x800, 0x40000040);
        section(2, "INIT", 0x3000, 0xc00, 0x62000020);
    }

    template <class T>
    void put(std::size_t offset, T value) {
        std::memcpy(bytes_.data() + offset, &value, sizeof value);
    }
    void put_text(std::size_t offset, std::string_view text) {
        std::memcpy(bytes_.data() + offset, text.data(), text.size());
    }
    void directory(std::size_t number, std::uint32_t rva, std::uint32_t size) {
        put<std::uint32_t>(pe + 24 + first_directory() + number * 8, rva);
        put<std::uint32_t>(pe + 24 + first_directory() + number * 8 + 4, size);
    }
    void section(std::size_t i, std::string_view name, std::uint32_t rva, std::uint32_t file, std::uint32_t flags) {
        const std::size_t at = pe + 24 + optional_bytes() + i * 40;
        put_text(at, name);
        put<std::uint32_t>(at + 8, 0x380);
        put<std::uint32_t>(at + 12, rva);
        put<std::uint32_t>(at + 16, 0x400);
        put<std::uint32_t>(at + 20, file);
        put<std::uint32_t>(at + 36, flags);
    }
    void debug_entry(std::size_t index, std::uint32_t type, std::uint32_t size, std::uint32_t rva) {
        const std::size_t at = 0x2200 + index * 28;
        put<std::uint32_t>(at + 12, type);
        put<std::uint32_t>(at + 16, size);
        put<std::uint32_t>(at + 20, rva);
        put<std::uint32_t>(at + 24, rva ? rva - 0x2000 + 0x800 : 0x900);
    }
    void rsds(std::uint32_t rva, std::uint32_t age, std::string_view path) {
        put_text(rva, "RSDS");
        for (std::uint8_t i = 0; i < 16; ++i)
            put<std::uint8_t>(rva + 4 + i, static_cast<std::uint8_t>(i + 1));
        put<std::uint32_t>(rva + 20, age);
        put_text(rva + 24, path);
    }

    [[nodiscard]] Bytes memory() const { return bytes_; }
    [[nodiscard]] ByteVector file() const {
        ByteVector out(bytes_.begin(), bytes_.begin() + 0x400);
        for (std::ptrdiff_t section = 0x1000; section <= 0x3000; section += 0x1000)
            out.insert(out.end(), bytes_.begin() + section, bytes_.begin() + section + 0x400);
        return out;
    }

    static constexpr std::size_t pe = 0x80;
    [[nodiscard]] std::size_t first_directory() const { return is_64_ ? 112 : 96; }
    [[nodiscard]] std::uint16_t optional_bytes() const { return is_64_ ? 240 : 224; }

  private:
    ByteVector bytes_;
    bool is_64_;
};

} // namespace poolkd::testing
