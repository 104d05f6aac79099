#include "memory/paged_space.h"

#include <algorithm>
#include <cstring>

namespace poolkd::memory {

namespace {

template <class Entry>
std::uint64_t entry_at(const std::byte* table, std::size_t index) {
    Entry entry;
    std::memcpy(&entry, table + index * sizeof entry, sizeof entry);
    return entry;
}

} // namespace

ReadResult PagedSpace::read(VirtAddr address, MutableBytes out, Work* work) {
    if (const Bytes place = in_place(address, out.size()); place.size() == out.size()) {
        if (out.size() == sizeof(std::uint64_t)) { // most reads are; the rest call memcpy
            std::memcpy(out.data(), place.data(), sizeof(std::uint64_t));
        } else if (!out.empty()) {
            std::memcpy(out.data(), place.data(), out.size());
        }
        if (!lasting_views_ || lasting_views_->views_hold()) return {out.size()};
    }
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

Bytes PagedSpace::in_place(VirtAddr address, std::size_t wanted) {
    const Region* here = lasting_views_ ? region(address) : nullptr;
    if (!here) return {};
    PhysAddr physical = here->large_page + into_region(address);
    if (here->entries) {
        const std::uint64_t entry = entry_of(*here, address);
        if (!PagingMode::is_valid(entry)) return {};
        physical = PhysAddr((entry & mode_->frame_mask) + address.value % page_bytes);
    }
    Window& window = windows_[physical.value / window_bytes % windows];
    std::uint64_t into = physical - window.first;
    if (into >= window.bytes.size()) { // each that begins lower reaches as far, so few have to be asked for
        into = physical.value % page_bytes;
        const PhysAddr first = physical - into;
        window = {first, physical_.view(first, window_bytes - first.value % window_bytes)};
        if (into >= window.bytes.size()) return {};
    }
    const std::size_t together = bytes_together(*here, address, physical, wanted);
    return window.bytes.subspan(into, std::min(together, window.bytes.size() - into));
}

Bytes PagedSpace::view(VirtAddr address, std::size_t wanted) {
    if (changing_) return {};
    if (const Bytes place = in_place(address, wanted); !place.empty() && lasting_views_->views_hold()) return place;
    const Page page = find(address.value / page_bytes);
    if (page.gap) return {};
    const PhysAddr physical = page.physical + address.value % page_bytes;
    const Region* here = region(address);
    const std::size_t together = here ? bytes_together(*here, address, physical, wanted)
                                      : std::min<std::size_t>(wanted, page_bytes - address.value % page_bytes);
    return physical_.view(physical, together);
}

std::size_t PagedSpace::bytes_together(const Region& here, VirtAddr address, PhysAddr physical,
                                       std::size_t wanted) const {
    std::size_t bytes = page_bytes - address.value % page_bytes;
    if (bytes >= wanted) return wanted;
    const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, region_bytes() - into_region(address)));
    if (!here.entries) return limit;
    while (bytes < limit) {
        const std::uint64_t entry = entry_of(here, address + bytes);
        if (!PagingMode::is_valid(entry) || PhysAddr(entry & mode_->frame_mask) != physical + bytes) return bytes;
        bytes += page_bytes;
    }
    return limit;
}

const PagedSpace::Region* PagedSpace::region(VirtAddr address) const {
    if (regions_.empty()) return nullptr;
    const std::uint64_t number = address.value >> region_shift_;
    const Region& slot = regions_[number % remembered_regions];
    return slot.number == number ? &slot : nullptr;
}

void PagedSpace::remember(const Region& region) {
    if (regions_.empty()) regions_.resize(remembered_regions);
    regions_[region.number % remembered_regions] = region;
}

std::uint64_t PagedSpace::entry_of(const Region& region, VirtAddr address) const {
    const std::size_t index = into_region(address) / page_bytes;
    if (mode_->entry_bytes == sizeof(std::uint64_t)) return entry_at<std::uint64_t>(region.entries, index);
    return entry_at<std::uint32_t>(region.entries, index);
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
    if (const Region* known = region(address)) {
        if (!known->entries) return {known->large_page + into_region(address), std::nullopt};
        const std::uint64_t entry = entry_of(*known, address);
        if (!lasting_views_ || lasting_views_->views_hold()) return leaf(address, entry);
    }
    const std::uint64_t number = address.value >> region_shift_;
    std::uint64_t table = root_;
    for (unsigned level = mode_->levels; level > 1; --level) {
        std::uint64_t entry = 0;
        if (auto gap = read_entry(table, address, level, entry)) return {{}, gap};
        if (!PagingMode::is_valid(entry)) return {{}, GapReason::unmapped};
        if (mode_->is_leaf(entry, level)) {
            const PhysAddr physical = mode_->within(entry, level, address);
            if (!changing_) remember({number, nullptr, physical - into_region(address)});
            return {physical, std::nullopt};
        }
        table = entry & mode_->frame_mask;
    }
    if (!changing_)
        if (const Bytes entries = physical_.view(PhysAddr(table), page_bytes); entries.size() == page_bytes)
            remember({number, entries.data(), {}});
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
