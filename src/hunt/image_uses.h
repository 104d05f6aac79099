#pragma once

#include "code/flat_image.h"
#include "code/flow_graph.h"
#include "code/instruction.h"
#include "code/site_index.h"
#include "nt/kernel.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace poolkd::hunt {

/// What in an image leads to a place in it.
class ImageUses {
  public:
    /// Reads the module. Errors: it is gone, or its headers cannot be read.
    static Result<ImageUses> of(nt::Kernel& kernel, const code::ModuleSites& module, Work& work);

    /// Four bytes in code that are the address of the place, or the distance to it.
    struct Use {
        std::uint32_t rva = 0;
        std::optional<code::Instruction> instruction; ///< that reads or writes the place; else not known, or chance
    };
    /// Calls and jumps to the place are not among them.
    [[nodiscard]] std::vector<Use> in_code(std::uint32_t rva, Work& work) const;
    /// A pointer to the place lies in the image, its code takes the address, or it is exported.
    [[nodiscard]] bool address_is_known(std::uint32_t rva, Work& work) const;

  private:
    ImageUses(const Machine& machine, code::FlatImage image, std::uint64_t base)
        : machine_(machine), image_(std::move(image)), base_(base) {}
    [[nodiscard]] std::optional<Use> use_at(std::uint32_t at, std::uint32_t rva) const;
    /// RVA to which the distance at `at` leads, from its end on.
    [[nodiscard]] std::uint32_t reached(std::uint32_t at) const;

    const Machine& machine_;
    code::FlatImage image_;
    std::uint64_t base_; ///< as the machine writes it
    std::vector<code::Extent> code_;
    std::vector<std::uint32_t> exported_; ///< RVAs
};

} // namespace poolkd::hunt
