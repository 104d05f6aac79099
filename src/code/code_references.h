#pragma once

#include "base/work.h"
#include "code/flat_image.h"
#include "code/flow_graph.h"

#include <cstdint>
#include <span>
#include <vector>

namespace poolkd::code {

/// Where bytes of code look like references: found without decoding, so that only functions with something of interest
/// have to be. What is data or the middle of an instruction shows when its function is decoded.
struct CodeReferences {
    struct Branch {
        std::uint32_t target = 0; ///< RVA
        std::uint32_t from = 0;   ///< RVA of a call or jump with a distance of four bytes
        auto operator<=>(const Branch&) const = default;
    };
    std::vector<Branch> branches;       ///< within the code of the image, by target
    std::vector<std::uint32_t> slots;   ///< RVAs of four bytes that lead to a slot of interest
    std::vector<std::uint32_t> outside; ///< RVAs of calls and jumps to an address of interest outside of the image
    bool cut = false;                   ///< there were more of one kind than `max_kept`

    [[nodiscard]] std::span<const Branch> to(std::uint32_t target) const { return to(Extent{target, target + 1}); }
    /// Those with a target in a range.
    [[nodiscard]] std::span<const Branch> to(Extent range) const;

    static constexpr std::size_t max_kept = 1u << 24;
};

struct ReferenceTargets {
    std::vector<std::uint32_t> slots;   ///< RVAs, sorted
    std::vector<std::uint64_t> outside; ///< addresses, sorted
};

/// Looks through `code` of an image at `base`. Can be stopped: then what was found so far.
CodeReferences find_code_references(const FlatImage& image, const Machine& machine, std::uint64_t base,
                                    std::span<const Extent> code, const ReferenceTargets& targets, Work& work);

} // namespace poolkd::code
