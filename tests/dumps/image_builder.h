#pragma once

#include "base/bytes.h"
#include "dumps/image.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace poolkd::dumps::testing {

inline constexpr std::uint64_t page = 4096;

/// What stands at a physical address of the machine of these tests, 8 bytes aligned: other at each address.
inline std::uint64_t content(std::uint64_t address) {
    return address * 0x9e3779b97f4a7c15ull + 1;
}

/// A file under construction; grows where it is written.
class FileBuilder {
  public:
    template <class T>
    FileBuilder& put(std::size_t offset, T value) {
        grow(offset + sizeof value);
        store(MutableBytes(bytes_), offset, value);
        return *this;
    }
    FileBuilder& put(std::size_t offset, std::string_view text) {
        grow(offset + text.size());
        std::memcpy(bytes_.data() + offset, text.data(), text.size());
        return *this;
    }
    FileBuilder& put_page(std::size_t offset, std::uint64_t page_number) {
        for (std::uint64_t i = 0; i < page; i += 8)
            put(offset + i, content(page_number * page + i));
        return *this;
    }
    /// A 32-bit or 64-bit number.
    FileBuilder& put_pointer(std::size_t offset, std::uint64_t value, bool is_64) {
        return is_64 ? put(offset, value) : put(offset, static_cast<std::uint32_t>(value));
    }
    void grow(std::size_t size) {
        if (bytes_.size() < size) bytes_.resize(size);
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] const ByteVector& bytes() const { return bytes_; }

  private:
    ByteVector bytes_;
};

using Pages = std::set<std::uint64_t>;

inline std::vector<std::pair<std::uint64_t, std::uint64_t>> runs_of(const Pages& pages) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
    for (std::uint64_t p : pages) {
        if (!runs.empty() && runs.back().first + runs.back().second == p) {
            ++runs.back().second;
        } else {
            runs.emplace_back(p, 1);
        }
    }
    return runs;
}

/// A crash dump header with `PAGE` in all that is not set, as Windows leaves it.
FileBuilder crash_header(bool is_64, std::uint32_t type);
/// The kinds of crash dump with physical memory, holding these pages.
FileBuilder full_dump(bool is_64, const Pages& pages);
FileBuilder bitmap_dump(bool is_64, std::uint32_t type, const Pages& pages, std::uint64_t bits);
FileBuilder summary_dump(bool is_64, const Pages& pages, std::uint64_t bits);
FileBuilder range_dump(std::uint32_t type, const Pages& pages);
FileBuilder elf_core(bool is_64, const Pages& pages, bool with_processor = true);
FileBuilder lime_image(const Pages& pages, bool exclusive_ends = false);

/// A triage dump whose parts all lie close together: every list has one entry, all memory is the same few bytes.
FileBuilder small_triage_dump(bool is_64);

struct VmwareRegion {
    std::uint64_t first, place, pages;
};
FileBuilder vmware_state(std::initializer_list<VmwareRegion> regions, std::uint32_t magic = 0xbed2bed2);

/// Opens bytes as a file.
inline Result<MemoryImage> open_bytes(const FileBuilder& builder, std::string name = "test.bin") {
    return open_image(ImageFile::from_bytes(builder.bytes(), std::move(name)));
}

/// Reads pages 0 to `last` one by one and in one walk over the pieces; gives those that were there. Every byte that is
/// given must be right.
Pages read_pages(const MemoryImage& image, std::uint64_t last);

} // namespace poolkd::dumps::testing
