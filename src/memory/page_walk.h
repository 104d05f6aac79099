#pragma once

#include "base/machine.h"
#include "memory/memory.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace poolkd::memory {

/// The shape of a processor's page tables. Source: Intel SDM volume 3, chapter "Paging". Levels count from 1, the table
/// of the small pages, to the root.
struct PagingMode {
    std::string_view name; ///< "x86", "x86 with PAE", "x64"
    unsigned levels = 0;
    unsigned entry_bytes = 0;  ///< 4, 8
    unsigned index_bits = 0;   ///< of an address, for one table
    unsigned address_bits = 0; ///< of a virtual address; what lies above repeats the highest
    unsigned large_level = 0;  ///< the highest level at which an entry may be a large page
    std::uint64_t root_mask = 0;
    std::uint64_t frame_mask = 0; ///< of an entry

    [[nodiscard]] unsigned shift(unsigned level) const { return 12 + index_bits * (level - 1); }
    /// Entries of a table; the root of PAE has four.
    [[nodiscard]] std::size_t entries(unsigned level) const;
    /// Which entry of a table of that level an address goes by.
    [[nodiscard]] std::size_t index(VirtAddr address, unsigned level) const {
        return (address.value >> shift(level)) & (entries(level) - 1);
    }
    /// The processor would use the entry.
    [[nodiscard]] static bool is_valid(std::uint64_t entry) { return (entry & 1) != 0; }
    /// A valid entry maps a page, of that level's size; else it names the next table.
    [[nodiscard]] bool is_leaf(std::uint64_t entry, unsigned level) const {
        return level == 1 || (level <= large_level && (entry & 0x80) != 0);
    }
    /// Where the page that an entry of that level maps has an address.
    [[nodiscard]] PhysAddr within(std::uint64_t entry, unsigned level, VirtAddr address) const {
        return page(entry, level) + (address.value & ((std::uint64_t{1} << shift(level)) - 1));
    }
    /// Physical address of the first byte that the entry of a (large) page maps.
    [[nodiscard]] PhysAddr page(std::uint64_t entry, unsigned level) const;
};

/// The mode that the machine runs in with this CR4. NT runs paged, and with large pages where the processor has them.
const PagingMode& paging_mode(const Machine& machine, std::uint64_t cr4);

/// One leaf entry of the page tables.
struct Mapping {
    VirtAddr address;
    std::uint64_t size = 0;  ///< 4 KiB; large pages have 2 MiB or 1 GiB, 4 MiB on x86 without PAE
    std::uint64_t entry = 0; ///< the entry as it stands in memory
    PhysAddr physical;       ///< of the first byte; meaningless unless `valid`
    bool valid = false;      ///< the processor would use it; else a software entry, or zero
};

/// One entry on the way to a page.
struct WalkStep {
    unsigned level = 0;
    PhysAddr at;             ///< where the entry stands
    std::uint64_t entry = 0; ///< as it stands in memory
    bool valid = false;
    bool leaf = false; ///< it maps a (large) page; else, when valid, the next table
};

/// Reads page tables from physical memory, as the processor does. Tables are kept for the life of the object, but for
/// those of the lowest level that `for_each` goes through: make one for each epoch.
class PageWalk {
  public:
    PageWalk(PhysicalMemory& physical, const PagingMode& mode, std::uint64_t cr3)
        : physical_(physical), mode_(mode), root_(cr3 & mode.root_mask) {}

    [[nodiscard]] const PagingMode& mode() const { return mode_; }

    /// Physical address of one byte. Errors: `unreadable` for an entry that is not present or a table that cannot be
    /// read.
    Result<PhysAddr> translate(VirtAddr address);

    /// The entries that the processor reads for an address, from the root on. They end at a page, at an entry that is
    /// not present, or before a table that cannot be read.
    std::vector<WalkStep> steps(VirtAddr address);

    /// Where NT's page tables show themselves: the address of the entry for address 0, from which those of all others
    /// follow. Nothing when the root does not map itself.
    std::optional<VirtAddr> self_map();

    /// Calls `visit` for each leaf entry of [start, end] that is not zero, in address order; whole empty tables are
    /// skipped without reading further. Stops early when `visit` returns false or `work` asks to. Tables that cannot
    /// be read are gaps of the range they cover.
    Coverage for_each(VirtAddr start, VirtAddr last, Work& work, const std::function<bool(const Mapping&)>& visit);

  private:
    using Table = std::vector<std::uint64_t>; ///< entries, widened

    const Table* table(std::uint64_t frame, unsigned level);
    bool read_table(std::uint64_t frame, unsigned level, Table& out);
    bool walk(std::uint64_t frame, unsigned level, std::uint64_t base, std::uint64_t start, std::uint64_t last,
              Work& work, const std::function<bool(const Mapping&)>& visit, Coverage& coverage);

    PhysicalMemory& physical_;
    const PagingMode& mode_;
    std::uint64_t root_;
    std::unordered_map<std::uint64_t, Table> tables_;
    Table leaf_; ///< the one that a visit is at
};

} // namespace poolkd::memory
