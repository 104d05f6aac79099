#pragma once

#include "memory/lasting_views.h"
#include "memory/page_walk.h"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace poolkd::memory {

/// Where a page lies whose entry the processor does not use: the system that wrote the entry knows. At most one of the
/// first two is set.
struct SoftwarePage {
    std::optional<PhysAddr> page = std::nullopt;
    std::optional<VirtAddr> prototype = std::nullopt; ///< of another entry, in memory that all processes share
    GapReason gap = GapReason::unmapped;              ///< why it is in no memory
};
using SoftwareEntry = SoftwarePage (*)(const PagingMode&, std::uint64_t entry);

/// A virtual view of physical memory through page tables of our own reading. What a table or entry does not map is the
/// gap `unmapped`; what it maps to memory that is not there has that memory's own gap.
/// Remembers the last pages it went to; of memory that can be read in place, instead, where the last tables of the
/// lowest level are, as a processor's caches of paging structures do, and where the memory itself is.
class PagedSpace final : public AddressSpace {
  public:
    /// `changing`: the memory may change between two reads, so nothing is remembered.
    PagedSpace(PhysicalMemory& physical, const PagingMode& mode, std::uint64_t cr3, unsigned pointer_size,
               bool changing = false)
        : physical_(physical), mode_(&mode), root_(cr3 & mode.root_mask), region_shift_(mode.shift(2)),
          pointer_size_(pointer_size),
          lasting_views_(changing ? nullptr : dynamic_cast<const LastingViews*>(&physical)), changing_(changing) {}

    /// For small pages; without it what is not present is unmapped.
    void use_software_entries(SoftwareEntry decode) { software_entry_ = decode; }

    ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override;
    /// Ends where a page lies elsewhere than behind the one before, or with the part of the address space that one
    /// table of the lowest level maps.
    Bytes view(VirtAddr address, std::size_t wanted) override;
    [[nodiscard]] unsigned pointer_size() const override { return pointer_size_; }
    [[nodiscard]] const PagingMode& mode() const { return *mode_; }
    [[nodiscard]] std::uint64_t root() const { return root_; }

  private:
    static constexpr std::uint64_t page_bytes = 4096;
    static constexpr std::size_t remembered_pages = 1024;
    static constexpr std::size_t remembered_regions = 4096; ///< 8 GiB of x64
    static constexpr std::uint64_t window_bytes = 1u << 30;
    static constexpr std::size_t windows = 64;

    /// The page that holds an address, or why there is none.
    struct Page {
        PhysAddr physical;
        std::optional<GapReason> gap;
    };
    struct Remembered {
        std::uint64_t number = ~0ull; ///< of the virtual page; no page has this one
        PhysAddr physical;
    };

    /// What one table of small pages' entries maps, or a large page in its place.
    struct Region {
        std::uint64_t number = ~0ull;       ///< its addresses without page and offset
        const std::byte* entries = nullptr; ///< the table, in place; null for a large page
        PhysAddr large_page;                ///< where that has the region's first byte
    };

    /// A part of physical memory, in place.
    struct Window {
        PhysAddr first;
        Bytes bytes;
    };

    /// As many of the bytes as lie together, where region and window are remembered; none otherwise.
    [[nodiscard]] Bytes in_place(VirtAddr address, std::size_t wanted);
    [[nodiscard]] Page find(std::uint64_t page_number);
    [[nodiscard]] Page walk(VirtAddr address);
    [[nodiscard]] std::uint64_t region_bytes() const { return std::uint64_t{1} << region_shift_; }
    [[nodiscard]] std::uint64_t into_region(VirtAddr address) const { return address.value & (region_bytes() - 1); }
    /// The region of an address that was found, when it is remembered.
    [[nodiscard]] const Region* region(VirtAddr address) const;
    void remember(const Region& region);
    [[nodiscard]] std::uint64_t entry_of(const Region& region, VirtAddr address) const;
    /// How many bytes from `address` on, up to `wanted`, lie behind its own byte, which is at `physical`.
    [[nodiscard]] std::size_t bytes_together(const Region& here, VirtAddr address, PhysAddr physical,
                                             std::size_t wanted) const;
    [[nodiscard]] std::optional<GapReason> read_entry(std::uint64_t table, VirtAddr address, unsigned level,
                                                      std::uint64_t& entry);
    /// What an entry of a small page says.
    [[nodiscard]] Page leaf(VirtAddr address, std::uint64_t entry);
    [[nodiscard]] Page by_prototype(VirtAddr prototype);

    PhysicalMemory& physical_;
    const PagingMode* mode_;
    std::uint64_t root_;
    unsigned region_shift_;
    unsigned pointer_size_;
    const LastingViews* lasting_views_; ///< null: what lies where is asked each time
    bool changing_;
    SoftwareEntry software_entry_ = nullptr;
    bool in_prototype_ = false; ///< its entry is no prototype again
    std::array<Remembered, remembered_pages> remembered_;
    std::vector<Region> regions_;         ///< empty until there is one to remember
    std::array<Window, windows> windows_; ///< each of an own piece of the addresses
};

} // namespace poolkd::memory
