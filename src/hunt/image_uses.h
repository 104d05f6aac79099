#pragma once

#include "code/flat_image.h"
#include "code/flow_graph.h"
#include "code/site_index.h"
#include "nt/kernel.h"

#include <cstdint>
#include <vector>

namespace poolkd::hunt {

/// What in an image leads to a place in it.
class ImageUses {
  public:
    /// Reads the module. Errors: it is gone, or its headers cannot be read.
    static Result<ImageUses> of(nt::Kernel& kernel, const code::ModuleSites& module, Work& work);

    /// RVAs of the four bytes in code that are the address of the place, or the distance to it; calls and jumps are not
    /// among them. Some may be so by chance.
    [[nodiscard]] std::vector<std::uint32_t> in_code(std::uint32_t rva, Work& work) const;
    /// A pointer to the place lies in the image, its code takes the address, or it is exported.
    [[nodiscard]] bool address_is_known(std::uint32_t rva, Work& work) const;

    [[nodiscard]] const code::FlatImage& image() const { return image_; }

  private:
    ImageUses(const Machine& machine, code::FlatImage image, std::uint64_t base)
        : machine_(machine), image_(std::move(image)), base_(base) {}

    const Machine& machine_;
    code::FlatImage image_;
    std::uint64_t base_; ///< as the machine writes it
    std::vector<code::Extent> code_;
    std::vector<std::uint32_t> exported_; ///< RVAs
};

} // namespace poolkd::hunt
