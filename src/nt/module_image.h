#pragma once

#include "memory/memory.h"
#include "pe/byte_reader.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace poolkd::nt {

/// The parts of a loaded image that do not change while it is loaded: headers, unwind tables, exports. Pages are read
/// when first asked for and kept for the life of the module, across resumes, so that a stack at the thousandth stop
/// costs no request for them. Not for code or data: those are read from the target each time. As a reader for pe::Image
/// it is one in the layout of memory.
class ModuleImage final : public pe::ByteReader {
  public:
    /// `size` in bytes, as the loader entry states it; larger than `max_size` is refused by every read.
    ModuleImage(memory::AddressSpace& memory, VirtAddr base, std::uint32_t size, std::uint32_t page_size);

    /// The bytes [rva, rva + size); valid until the image is destroyed. Errors: outside the image, or unreadable.
    Result<Bytes> bytes(std::uint32_t rva, std::uint32_t size) override;

    /// Pages that the target's memory lacks are from now on taken from the image's file, which `find` gives: asked
    /// once, when the first is needed.
    void use_file(std::function<Result<ByteVector>()> find) { find_file_ = std::move(find); }

    [[nodiscard]] VirtAddr base() const { return base_; }
    [[nodiscard]] std::uint32_t size() const { return size_; }

    static constexpr std::uint32_t max_size = 512u << 20;

  private:
    struct Free {
        void operator()(std::byte* p) const;
    };
    /// The bytes from `from` on, each page from memory or else from the file.
    Result<void> fill(std::uint32_t from, MutableBytes out);
    /// The same bytes as the loader lays them out, without its relocations; false where the file has none of them.
    bool take_from_file(std::uint32_t from, MutableBytes out);

    memory::AddressSpace& memory_;
    VirtAddr base_;
    std::uint32_t size_;
    std::uint32_t page_size_;
    std::unique_ptr<std::byte[], Free> bytes_;      ///< zero pages of the host until they are filled
    std::vector<bool> valid_;                       ///< by page
    std::function<Result<ByteVector>()> find_file_; ///< empty: there is none, or it was asked
    ByteVector file_;
};

} // namespace poolkd::nt
