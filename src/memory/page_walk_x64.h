#pragma once

#include "memory/memory.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

namespace poolkd::memory {

/// One leaf entry of the page tables.
struct Mapping {
    VirtAddr address;
    std::uint64_t size = 0;  ///< 4 KiB, 2 MiB or 1 GiB
    std::uint64_t entry = 0; ///< the entry as it stands in memory
    PhysAddr physical;       ///< of the first byte; meaningless unless `valid`
    bool valid = false;      ///< the processor would use it; else a software entry, or zero
};

/// Reads x64 page tables from physical memory, as the processor does (Intel SDM volume 3, 4-level paging).
/// Tables are kept for the life of the object: make one for each epoch.
class PageWalkX64 {
  public:
    PageWalkX64(PhysicalMemory& physical, std::uint64_t cr3) : physical_(physical), root_(cr3 & frame_mask) {}

    /// Physical address of one byte. Errors: `unreadable` for an entry that is not present or a table that cannot be
    /// read.
    Result<PhysAddr> translate(VirtAddr address);

    /// Calls `visit` for each leaf entry of [start, end] that is not zero, in address order; whole empty tables are
    /// skipped without reading further. Stops early when `visit` returns false or `work` asks to. Tables that cannot
    /// be read are gaps of the range they cover.
    Coverage for_each(VirtAddr start, VirtAddr last, Work& work, const std::function<bool(const Mapping&)>& visit);

  private:
    static constexpr std::uint64_t frame_mask = 0x000ffffffffff000;
    static constexpr std::size_t entries = 512;
    using Table = std::array<std::uint64_t, entries>;

    const Table* table(std::uint64_t frame);
    bool walk(std::uint64_t frame, unsigned level, std::uint64_t base, std::uint64_t start, std::uint64_t last,
              Work& work, const std::function<bool(const Mapping&)>& visit, Coverage& coverage);

    PhysicalMemory& physical_;
    std::uint64_t root_;
    std::unordered_map<std::uint64_t, std::unique_ptr<Table>> tables_;
};

} // namespace poolkd::memory
