#pragma once

#include "base/bytes.h"
#include "base/coverage.h"
#include "base/work.h"
#include "nt/kernel.h"
#include "pe/image.h"

#include <memory>
#include <vector>

namespace poolkd::code {

/// The bytes of an image by RVA, as far as they could be had, without a further read. As a reader it fails where bytes
/// are missing, and its views last as long as the image.
class FlatImage final : public pe::ByteReader {
  public:
    /// A file, laid out as the loader would, not relocated: all but resources, relocations and debug information.
    /// Errors: its headers.
    static Result<FlatImage> of_file(Bytes file);
    enum class Part : std::uint8_t {
        all,   ///< but resources and relocations
        state, ///< what can differ from one run to the next: writable data and the slots of imports
    };
    /// A module in target memory, always with its headers. Pages that cannot be read are told in `coverage`. Errors:
    /// its headers.
    static Result<FlatImage> of_module(nt::Kernel& kernel, const nt::Module& module, Work& work, Part part = Part::all);

    Result<Bytes> bytes(std::uint32_t rva, std::uint32_t size) override;
    /// The bytes [rva, rva + size), or nothing where one of them is missing.
    [[nodiscard]] Bytes at(std::uint32_t rva, std::uint32_t size) const;
    /// Up to `limit` bytes from `rva` on, as many as there are before the first missing one.
    [[nodiscard]] Bytes from(std::uint32_t rva, std::uint32_t limit) const;
    /// All of it; missing bytes are zero.
    [[nodiscard]] Bytes all() const { return {bytes_.get(), size_}; }
    [[nodiscard]] std::uint32_t size() const { return size_; }
    /// What could not be read of a module. Pages of what is thrown away after the start (INIT) do not count.
    [[nodiscard]] const Coverage& coverage() const { return coverage_; }

    static constexpr std::uint32_t max_size = 512u << 20;

  private:
    static constexpr std::uint32_t page = 0x1000;
    struct Free {
        void operator()(std::byte* p) const;
    };

    static Result<FlatImage> empty(std::uint32_t size);
    void mark(std::uint32_t rva, std::uint32_t size);

    std::unique_ptr<std::byte[], Free> bytes_;
    std::uint32_t size_ = 0;
    std::vector<bool> valid_; ///< by page
    Coverage coverage_;
};

} // namespace poolkd::code
