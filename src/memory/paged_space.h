#pragma once

#include "memory/page_walk.h"

#include <array>
#include <cstdint>
#include <optional>

namespace poolkd::memory {

/// Where a page lies whose entry the processor does not use: the system that wrote the entry knows. Nothing: in no
/// memory.
using SoftwareEntry = std::optional<PhysAddr> (*)(const PagingMode&, std::uint64_t entry);

/// A virtual view of physical memory through page tables of our own reading. What a table or entry does not map is the
/// gap `unmapped`; what it maps to memory that is not there has that memory's own gap.
/// Remembers the last pages it went to, no tables: memory that can be read in place needs no copy of them.
class PagedSpace final : public AddressSpace {
  public:
    /// `changing`: the memory may change between two reads, so nothing is remembered.
    PagedSpace(PhysicalMemory& physical, const PagingMode& mode, std::uint64_t cr3, unsigned pointer_size,
               bool changing = false)
        : physical_(physical), mode_(&mode), root_(cr3 & mode.root_mask), pointer_size_(pointer_size),
          changing_(changing) {}

    /// For small pages; without it what is not present is unmapped.
    void use_software_entries(SoftwareEntry decode) { software_entry_ = decode; }

    ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) override;
    [[nodiscard]] unsigned pointer_size() const override { return pointer_size_; }
    [[nodiscard]] const PagingMode& mode() const { return *mode_; }
    [[nodiscard]] std::uint64_t root() const { return root_; }

  private:
    static constexpr std::uint64_t page_bytes = 4096;
    static constexpr std::size_t remembered_pages = 1024;

    /// The page that holds an address, or why there is none.
    struct Page {
        PhysAddr physical;
        std::optional<GapReason> gap;
    };
    struct Remembered {
        std::uint64_t number = ~0ull; ///< of the virtual page; no page has this one
        PhysAddr physical;
    };

    [[nodiscard]] Page find(std::uint64_t page_number);
    [[nodiscard]] Page walk(VirtAddr address);

    PhysicalMemory& physical_;
    const PagingMode* mode_;
    std::uint64_t root_;
    unsigned pointer_size_;
    bool changing_;
    SoftwareEntry software_entry_ = nullptr;
    std::array<Remembered, remembered_pages> remembered_;
};

} // namespace poolkd::memory
