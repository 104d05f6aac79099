#include "nt/software_entry.h"

#include <fmt/format.h>

namespace poolkd::nt {

namespace {

// These bits are where they are in all versions (memory-images 4.5).
constexpr std::uint64_t present = 1, prototype = 1u << 10, transition = 1u << 11;
constexpr std::uint64_t protection = 0x1f << 5;

/// The part of an entry that is neither state nor protection, and not zero only for a page that has a place.
std::uint64_t place_bits(const memory::PagingMode& mode, std::uint64_t entry) {
    // PageFileHigh, in words of 8 bytes always the upper half; without PAE all that is left.
    return mode.entry_bytes == 8 ? entry >> 32 : entry >> 12;
}

} // namespace

std::optional<PhysAddr> transition_page(const memory::PagingMode& mode, std::uint64_t entry) {
    if ((entry & (present | prototype | transition)) != transition) return std::nullopt;
    // Kernels since 2018 flip high bits of entries that are not present (L1TF), on Intel's processors bit 45; the mask
    // is theirs alone. No machine has memory there.
    constexpr std::uint64_t below_32_tib = (1ull << 45) - 1;
    return PhysAddr(entry & mode.frame_mask & below_32_tib);
}

std::string software_entry_text(const memory::PagingMode& mode, std::uint64_t entry) {
    if (entry == 0) return "nothing is there";
    if ((entry & present) != 0) return "present";
    if (const auto page = transition_page(mode, entry))
        return fmt::format("in transition (pfn {:x})", page->value >> 12);
    if ((entry & prototype) != 0) return "by a prototype entry";
    const std::uint64_t place = place_bits(mode, entry);
    // All ones sends the system to the descriptors of the process's memory. The flip of L1TF leaves the rest ones.
    constexpr std::uint64_t flipped = 1u << 13;
    const std::uint64_t all_ones = mode.entry_bytes == 8 ? 0xffffffff : 0xfffff;
    if (place == all_ones || (mode.entry_bytes == 8 && (place | flipped) == all_ones))
        return "by the memory's descriptor";
    if (place == 0 || (mode.entry_bytes == 8 && place == flipped))
        return (entry & protection) != 0 ? "demand zero" : "nothing is there";
    return "in a page file";
}

} // namespace poolkd::nt
