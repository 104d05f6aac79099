#include "nt/software_entry.h"

#include "base/machine.h"

#include <fmt/format.h>

namespace poolkd::nt {

namespace {

// These bits are where they are in all versions (public symbols of _MMPTE).
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

namespace {

enum class State { nothing, present, transition, prototype, descriptor, demand_zero, page_file };

State state_of(const memory::PagingMode& mode, std::uint64_t entry) {
    if (entry == 0) return State::nothing;
    if ((entry & present) != 0) return State::present;
    if (transition_page(mode, entry)) return State::transition;
    if ((entry & prototype) != 0) return State::prototype;
    const std::uint64_t place = place_bits(mode, entry);
    // All ones sends the system to the descriptors of the process's memory. The flip of L1TF leaves the rest ones.
    constexpr std::uint64_t flipped = 1u << 13;
    const std::uint64_t all_ones = mode.entry_bytes == 8 ? 0xffffffff : 0xfffff;
    if (place == all_ones || (mode.entry_bytes == 8 && (place | flipped) == all_ones)) return State::descriptor;
    if (place == 0 || (mode.entry_bytes == 8 && place == flipped))
        return (entry & protection) != 0 ? State::demand_zero : State::nothing;
    return State::page_file;
}

/// Where the entry lies that an entry of state `prototype` names; nothing where only the process's descriptors know,
/// and for 4-byte entries, whose numbers count from a place that is the kernel's own. Source: public symbols.
std::optional<VirtAddr> prototype_address(const memory::PagingMode& mode, std::uint64_t entry) {
    if (mode.entry_bytes != 8) return std::nullopt;
    const bool is_32 = mode.address_bits == 32;
    const auto at = is_32 ? static_cast<std::uint64_t>(static_cast<std::int32_t>(entry >> 32))
                          : static_cast<std::uint64_t>(static_cast<std::int64_t>(entry) >> 16);
    const VirtAddr address(at);
    return at % 8 == 0 && address >= first_system_address ? std::optional(address) : std::nullopt;
}

} // namespace

memory::SoftwarePage software_page(const memory::PagingMode& mode, std::uint64_t entry) {
    switch (state_of(mode, entry)) {
    case State::transition: return {.page = transition_page(mode, entry)};
    case State::prototype: return {.prototype = prototype_address(mode, entry), .gap = GapReason::unmapped};
    case State::demand_zero: return {.gap = GapReason::demand_zero};
    case State::page_file: return {.gap = GapReason::paged_out};
    default: return {};
    }
}

std::string software_entry_text(const memory::PagingMode& mode, std::uint64_t entry) {
    switch (state_of(mode, entry)) {
    case State::present: return "present";
    case State::transition: return fmt::format("in transition (pfn {:x})", transition_page(mode, entry)->value >> 12);
    case State::prototype: return "by a prototype entry";
    case State::descriptor: return "by the memory's descriptor";
    case State::demand_zero: return "demand zero";
    case State::page_file: return "in a page file";
    default: return "nothing is there";
    }
}

} // namespace poolkd::nt
