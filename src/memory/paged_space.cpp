#include "memory/paged_space.h"

#include <algorithm>

namespace poolkd::memory {

ReadResult PagedSpace::read(VirtAddr address, MutableBytes out, Work* work) {
    std::size_t done = 0;
    while (done < out.size()) {
        // A look at the wish to stop costs nothing beside a large copy.
        if (work && (done & 0xfffff) < page_bytes && work->stop_requested()) return {done, GapReason::stopped};
        const VirtAddr here = address + done;
        const Page page = find(here.value / page_bytes);
        if (page.gap) return {done, page.gap};
        const std::uint64_t into = here.value % page_bytes;
        const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(page_bytes - into, out.size() - done));
        const ReadResult got = physical_.read(page.physical + into, out.subspan(done, bytes));
        done += got.bytes;
        if (got.gap) return {done, got.gap};
    }
    return {done};
}

PagedSpace::Page PagedSpace::find(std::uint64_t page_number) {
    if (changing_) return walk(VirtAddr(page_number * page_bytes));
    Remembered& slot = remembered_[page_number % remembered_pages];
    if (slot.number == page_number) return {slot.physical, std::nullopt};
    const Page page = walk(VirtAddr(page_number * page_bytes));
    if (!page.gap) slot = {page_number, page.physical};
    return page;
}

PagedSpace::Page PagedSpace::walk(VirtAddr address) {
    if (mode_->address_bits > 32) {
        const std::uint64_t above = address.value >> (mode_->address_bits - 1);
        if (above != 0 && above != ~0ull >> (mode_->address_bits - 1)) return {{}, GapReason::unmapped};
    }
    std::uint64_t table = root_;
    for (unsigned level = mode_->levels; level >= 1; --level) {
        const std::size_t index = mode_->index(address, level);
        std::uint64_t entry = 0;
        const auto bytes = std::as_writable_bytes(std::span(&entry, 1)).first(mode_->entry_bytes);
        if (const ReadResult got = physical_.read(PhysAddr(table + index * mode_->entry_bytes), bytes); got.gap)
            return {{}, got.gap};
        if (!PagingMode::is_valid(entry)) {
            const auto page = level == 1 && software_entry_ ? software_entry_(*mode_, entry) : std::nullopt;
            if (!page) return {{}, GapReason::unmapped};
            return {*page + address.value % page_bytes, std::nullopt};
        }
        if (mode_->is_leaf(entry, level)) return {mode_->within(entry, level, address), std::nullopt};
        table = entry & mode_->frame_mask;
    }
    return {{}, GapReason::unmapped};
}

} // namespace poolkd::memory
