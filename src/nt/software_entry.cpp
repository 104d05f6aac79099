#include "nt/software_entry.h"

namespace poolkd::nt {

std::optional<PhysAddr> transition_page(const memory::PagingMode& mode, std::uint64_t entry) {
    // These bits are where they are in all versions (memory-images 4.5).
    constexpr std::uint64_t present = 1, prototype = 1u << 10, transition = 1u << 11;
    if ((entry & (present | prototype | transition)) != transition) return std::nullopt;
    // Kernels since 2018 flip high bits of entries that are not present (L1TF), on Intel's processors bit 45; the mask
    // is theirs alone. No machine has memory there.
    constexpr std::uint64_t below_32_tib = (1ull << 45) - 1;
    return PhysAddr(entry & mode.frame_mask & below_32_tib);
}

} // namespace poolkd::nt
