#include "pool/surroundings.h"

#include "pool/heap_backed.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

constexpr std::size_t shortest_text = 4;

/// Printable characters from the first byte on, when there are enough to be no accident.
std::string text_at_start(Bytes bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        const auto c = static_cast<unsigned char>(byte);
        if (c < 0x20 || c > 0x7e) break;
        text += static_cast<char>(c);
    }
    return text.size() >= shortest_text ? text : std::string();
}

/// System space is in the upper half of the addresses; those of 32 bits are sign-extended.
bool is_system(VirtAddr address) {
    return static_cast<std::int64_t>(address.value) < 0;
}

GapReason gap_of(const Error& error) {
    switch (error.kind) {
    case ErrorKind::link: return GapReason::link_lost;
    case ErrorKind::stopped: return GapReason::stopped;
    case ErrorKind::malformed: return GapReason::malformed;
    default: return GapReason::unmapped;
    }
}

} // namespace

Result<Answer<Surroundings>> look_around(nt::Kernel& kernel, VirtAddr address, bool is_header, Work& work) {
    Answer<Surroundings> answer;
    Surroundings& found = answer.value;
    if (auto ranges = find_ranges(kernel, work)) {
        found.ranges_known = std::ranges::count(*ranges, PoolKind::nonpaged, &PoolRange::kind) > 0 &&
                             std::ranges::count(*ranges, PoolKind::paged, &PoolRange::kind) > 0;
        for (const PoolRange& range : *ranges)
            if (range.first <= address && address <= range.last) found.region = range.kind;
    }
    POOLKD_TRY(HeaderReader reader, HeaderReader::create(kernel));
    // A block is named by its body as a rule, which begins behind its header; a large one has none.
    const bool at_page_start = address.value % reader.page_size() == 0;
    if (auto big = read_big_pages(kernel, work)) {
        answer.coverage.merge(big->coverage);
        found.big_known = big->coverage.complete();
        for (const BigPage& page : big->value.live)
            if (address - page.address < std::max<std::uint64_t>(page.bytes, 1)) {
                found.blocks = {block_of(page)};
                found.holder = 0;
                found.readable = memory::read_unsigned(kernel.memory(), address, 1).has_value();
                return answer;
            }
    } else {
        const auto table = kernel.read_pointer_global("PoolBigPageTable");
        answer.coverage.add_gap(gap_of(big.error()), table.value_or(VirtAddr()), 0);
    }
    if (!is_system(address)) return answer;
    const VirtAddr page(address.value - address.value % reader.page_size());
    auto bytes = memory::read_exact(kernel.memory(), page, reader.page_size());
    if (!bytes) {
        answer.coverage.add_gap(kernel.target().run_control() ? GapReason::unmapped : GapReason::not_in_image, page,
                                reader.page_size());
        return answer;
    }
    found.readable = true;
    answer.coverage.add_read(reader.page_size());
    const VirtAddr header = is_header || at_page_start ? address : address - reader.header_size();
    if (header >= page && header - page <= reader.page_size() - reader.header_size())
        found.header = reader.read(Bytes(*bytes).subspan(header - page, reader.header_size()));
    found.heap_backed = is_heap_backed(kernel);
    if (found.heap_backed) return answer;
    found.blocks = parse_page_until_break(reader, page, *bytes, found.broken);
    const auto holder = std::ranges::find_if(
        found.blocks, [&](const PoolBlock& block) { return address - block.address < block.size; });
    if (holder != found.blocks.end())
        found.holder = static_cast<std::size_t>(std::distance(found.blocks.begin(), holder));
    if (found.broken) found.overwritten_with = text_at_start(Bytes(*bytes).subspan(found.broken->at - page));
    return answer;
}

} // namespace poolkd::pool
