#pragma once

#include "code/unwind_info.h"
#include "nt/module_image.h"

namespace poolkd::code {

/// The unwind tables of one loaded image. Pages are read through the image when first needed and kept there, so that
/// looking up the same function at a later stop asks nothing of the target.
class UnwindTables {
  public:
    /// Finds the exception directory. Kind `not_found`: the image has none, or is not of x64; `unreadable`,
    /// `malformed`: the headers.
    static Result<UnwindTables> open(nt::ModuleImage& image);

    [[nodiscard]] std::uint32_t count() const { return count_; }
    [[nodiscard]] VirtAddr base() const { return image_->base(); }

    /// The entry numbered `index`, as it stands.
    Result<RuntimeFunction> entry(std::uint32_t index) const;
    /// The entry that covers `rva`, or nothing: then the code is a leaf function, or no code. Entries that only point
    /// to another entry are followed.
    Result<std::optional<RuntimeFunction>> find(std::uint32_t rva) const;
    /// The last entry that begins at or below `rva`, whether it reaches that far or not.
    Result<std::optional<RuntimeFunction>> at_or_below(std::uint32_t rva) const;
    Result<UnwindInfo> info(const RuntimeFunction& function) const;
    /// The entry at the end of the chain: the one that stands for the whole function. Kind `malformed` when the chain
    /// does not end.
    Result<RuntimeFunction> primary(const RuntimeFunction& function) const;

    /// Windows itself gives up after this many; compilers make two or three.
    static constexpr int max_chain = 32;

  private:
    UnwindTables(nt::ModuleImage& image, std::uint32_t table, std::uint32_t count)
        : image_(&image), table_(table), count_(count) {}

    nt::ModuleImage* image_;
    std::uint32_t table_; ///< RVA
    std::uint32_t count_;
};

} // namespace poolkd::code
