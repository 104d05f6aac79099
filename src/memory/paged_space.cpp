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

Bytes PagedSpace::view(VirtAddr address, std::size_t wanted) {
    if (changing_) return {};
    const Page page = find(address.value / page_bytes);
    if (page.gap) return {};
    const std::uint64_t into = address.value % page_bytes;
    return physical_.view(page.physical + into, std::min<std::size_t>(wanted, page_bytes - into));
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
    const std::uint64_t table_number = address.value >> mode_->shift(2);
    if (leaf_table_.number == table_number) {
        const std::size_t at = mode_->index(address, 1) * mode_->entry_bytes;
        return leaf(address, load_unsigned(leaf_table_.entries, at, mode_->entry_bytes).value_or(0));
    }
    std::uint64_t table = root_;
    for (unsigned level = mode_->levels; level > 1; --level) {
        std::uint64_t entry = 0;
        if (auto gap = read_entry(table, address, level, entry)) return {{}, gap};
        if (!PagingMode::is_valid(entry)) return {{}, GapReason::unmapped};
        if (mode_->is_leaf(entry, level)) return {mode_->within(entry, level, address), std::nullopt};
        table = entry & mode_->frame_mask;
    }
    if (!changing_)
        if (const Bytes entries = physical_.view(PhysAddr(table), page_bytes); entries.size() == page_bytes)
            leaf_table_ = {table_number, entries};
    std::uint64_t entry = 0;
    if (auto gap = read_entry(table, address, 1, entry)) return {{}, gap};
    return leaf(address, entry);
}

std::optional<GapReason> PagedSpace::read_entry(std::uint64_t table, VirtAddr address, unsigned level,
                                                std::uint64_t& entry) {
    const PhysAddr at(table + mode_->index(address, level) * mode_->entry_bytes);
    return physical_.read(at, std::as_writable_bytes(std::span(&entry, 1)).first(mode_->entry_bytes)).gap;
}

PagedSpace::Page PagedSpace::leaf(VirtAddr address, std::uint64_t entry) {
    if (PagingMode::is_valid(entry)) return {mode_->within(entry, 1, address), std::nullopt};
    if (!software_entry_) return {{}, GapReason::unmapped};
    const SoftwarePage said = software_entry_(*mode_, entry);
    if (said.page) return {*said.page + address.value % page_bytes, std::nullopt};
    if (!said.prototype) return {{}, said.gap};
    Page page = by_prototype(*said.prototype);
    page.physical = page.physical + address.value % page_bytes;
    return page;
}

PagedSpace::Page PagedSpace::by_prototype(VirtAddr prototype) {
    if (in_prototype_) return {{}, GapReason::paged_out}; // a prototype that says so is of a file's page
    in_prototype_ = true;
    std::uint64_t entry = 0;
    const ReadResult got = read(prototype, std::as_writable_bytes(std::span(&entry, 1)).first(mode_->entry_bytes));
    Page page{{}, got.gap};
    if (!got.gap) page = leaf(VirtAddr(), entry);
    in_prototype_ = false;
    return page;
}

} // namespace poolkd::memory
