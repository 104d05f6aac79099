#include "symbols/pdb/address_map.h"

#include <algorithm>

namespace poolkd::symbols {

namespace {

constexpr std::size_t section_header_bytes = 40;
constexpr std::size_t max_sections = 0xfffe;

std::vector<AddressMap::Section> parse_sections(Bytes headers) {
    std::vector<AddressMap::Section> sections;
    const std::size_t count = std::min(headers.size() / section_header_bytes, max_sections);
    for (std::size_t i = 0; i < count; ++i) {
        Bytes header = headers.subspan(i * section_header_bytes, section_header_bytes);
        const std::uint32_t virtual_size = load_or<std::uint32_t>(header, 8);
        const std::uint32_t size = virtual_size ? virtual_size : load_or<std::uint32_t>(header, 16);
        sections.push_back(
            {load_or<std::uint32_t>(header, 12), size, (load_or<std::uint32_t>(header, 36) & 0x20000020u) != 0});
    }
    return sections;
}

std::vector<AddressMap::Move> parse_moves(Bytes table) {
    std::vector<AddressMap::Move> moves;
    moves.reserve(table.size() / 8);
    for (std::size_t at = 0; at + 8 <= table.size(); at += 8)
        moves.push_back({load_or<std::uint32_t>(table, at), load_or<std::uint32_t>(table, at + 4)});
    if (!std::ranges::is_sorted(moves, {}, &AddressMap::Move::from))
        std::ranges::sort(moves, {}, &AddressMap::Move::from);
    return moves;
}

std::optional<std::uint32_t> translate(const std::vector<AddressMap::Move>& moves, std::uint32_t rva) {
    auto after = std::ranges::upper_bound(moves, rva, {}, &AddressMap::Move::from);
    if (after == moves.begin()) return std::nullopt;
    const AddressMap::Move& move = *(after - 1);
    if (move.to == 0) return std::nullopt;
    return move.to + (rva - move.from);
}

} // namespace

AddressMap::AddressMap(Bytes section_headers, Bytes original_headers, Bytes omap_to_source, Bytes omap_from_source) {
    const bool has_two = !original_headers.empty() && !omap_from_source.empty();
    sections_ = parse_sections(has_two ? original_headers : section_headers);
    if (!has_two) return;
    to_source_ = parse_moves(omap_to_source);
    from_source_ = parse_moves(omap_from_source);
}

std::optional<std::uint32_t> AddressMap::rva(SegmentOffset place) const {
    if (place.segment == 0 || place.segment > sections_.size()) return std::nullopt;
    const Section& section = sections_[place.segment - 1u];
    // Symbols for the end of a section point just behind it.
    if (place.offset > section.size || place.offset > UINT32_MAX - section.rva) return std::nullopt;
    const std::uint32_t rva = section.rva + place.offset;
    return moved() ? translate(from_source_, rva) : rva;
}

std::optional<std::uint32_t> AddressMap::source_rva(std::uint32_t rva) const {
    return moved() ? translate(to_source_, rva) : rva;
}

std::optional<SegmentOffset> AddressMap::place(std::uint32_t rva) const {
    auto source = source_rva(rva);
    if (!source) return std::nullopt;
    rva = *source;
    for (std::size_t i = 0; i < sections_.size(); ++i)
        if (rva >= sections_[i].rva && rva - sections_[i].rva < sections_[i].size)
            return SegmentOffset{static_cast<std::uint16_t>(i + 1), rva - sections_[i].rva};
    return std::nullopt;
}

bool AddressMap::is_code(std::uint16_t segment) const {
    return segment != 0 && segment <= sections_.size() && sections_[segment - 1u].is_code;
}

} // namespace poolkd::symbols
