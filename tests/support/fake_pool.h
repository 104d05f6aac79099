#pragma once

#include "base/tag.h"
#include "nt/kernel.h"
#include "support/fake_symbols.h"
#include "support/fake_target.h"

#include <memory>

namespace poolkd::testing {

/// A pool that a test fills, in a fake target and its fake symbols: member offsets are deliberately none of any real
/// kernel.
class FakePool {
  public:
    static constexpr std::uint64_t nonpaged = 0xffffa00000000000, paged = 0xffffb00000000000;
    static constexpr std::uint64_t tracker = 0xffffc00000000000, processor_tracker = 0xffffc00000100000,
                                   expansion = 0xffffc00000200000, big_table = 0xffffc00000300000;
    static constexpr std::uint64_t rows = 65, stride = 0x48, big_entries = 64, big_stride = 0x28;
    static constexpr std::uint32_t var_track = 0x1000, var_track_size = 0x1008, var_tables = 0x1010,
                                   var_expansion = 0x1020, var_expansion_size = 0x1028, var_flags = 0x1030,
                                   var_big = 0x1038, var_big_size = 0x1040, var_np_start = 0x1048, var_np_end = 0x1050,
                                   var_p_start = 0x1058, var_p_end = 0x1060, var_hit = 0x1068;

    FakePool(FakeTarget& fake_target, FakeSymbols& fake_symbols) : target_(fake_target) {
        target_.edit_identity().build = 19041;
        for (auto [name, rva] : {std::pair{"PoolTrackTable", var_track},
                                 {"PoolTrackTableSize", var_track_size},
                                 {"ExPoolTagTables", var_tables},
                                 {"PoolTrackTableExpansion", var_expansion},
                                 {"PoolTrackTableExpansionSize", var_expansion_size},
                                 {"NtGlobalFlag", var_flags},
                                 {"PoolBigPageTable", var_big},
                                 {"PoolBigPageTableSize", var_big_size},
                                 {"MmNonPagedPoolStart", var_np_start},
                                 {"MmNonPagedPoolEnd", var_np_end},
                                 {"MmPagedPoolStart", var_p_start},
                                 {"MmPagedPoolEnd", var_p_end},
                                 {"PoolHitTag", var_hit}})
            fake_symbols.add(name, rva);
        fake_symbols.add({"_POOL_TRACKER_TABLE",
                          stride,
                          false,
                          {{"PagedBytes", 0x00, 0, 0, number(8)},
                           {"NonPagedAllocs", 0x08, 0, 0, number(8)},
                           {"Key", 0x14, 0, 0, number(4)},
                           {"PagedAllocs", 0x18, 0, 0, number(8)},
                           {"NonPagedFrees", 0x20, 0, 0, number(8)},
                           {"PagedFrees", 0x28, 0, 0, number(8)},
                           {"NonPagedBytes", 0x30, 0, 0, number(8)}}});
        fake_symbols.add({"_POOL_TRACKER_BIG_PAGES",
                          big_stride,
                          false,
                          {{"NumberOfBytes", 0x00, 0, 0, number(8)},
                           {"Key", 0x0c, 0, 0, number(4)},
                           {"PoolType", 0x10, 8, 12, number(4)},
                           {"Va", 0x18, 0, 0, number(8)}}});
        fake_symbols.add({"_POOL_HEADER",
                          16,
                          false,
                          {{"PoolTag", 0, 0, 0, number(4)},
                           {"BlockSize", 4, 8, 8, number(2)},
                           {"PreviousSize", 4, 0, 8, number(2)},
                           {"PoolType", 7, 0, 0, number(1)},
                           {"ProcessBilled", 8, 0, 0, number(8)}}});
        auto& memory = target_.virtual_memory();
        memory.map(target_.identity().kernel_base, 0x2000);
        memory.map(VirtAddr(tracker), rows * stride);
        memory.map(VirtAddr(processor_tracker), rows * stride);
        memory.map(VirtAddr(big_table), big_entries * big_stride);
        set(var_track, tracker);
        set(var_track_size, rows);
        set(var_tables, processor_tracker);
        set(var_flags, 0x400);
        set(var_big, big_table);
        set(var_big_size, big_entries);
        set(var_np_start, nonpaged);
        set(var_np_end, nonpaged + 0x100000);
        set(var_p_start, paged);
        set(var_p_end, paged + 0xfffff);
    }

    void set(std::uint32_t rva, std::uint64_t value) {
        target_.virtual_memory().put_value(target_.identity().kernel_base + rva, value);
    }

    struct Row {
        const char* tag;
        std::uint64_t np_allocs = 0, np_frees = 0;
        std::int64_t np_bytes = 0;
        std::uint64_t p_allocs = 0, p_frees = 0;
        std::int64_t p_bytes = 0;
    };
    void put_row(std::uint64_t table, std::uint64_t index, const Row& row) {
        auto& memory = target_.virtual_memory();
        VirtAddr at(table + index * stride);
        memory.map(at, stride);
        memory.put_value(at + 0x14, PoolTag::from_text(row.tag)->value);
        memory.put_value(at + 0x08, row.np_allocs);
        memory.put_value(at + 0x20, row.np_frees);
        memory.put_value(at + 0x30, row.np_bytes);
        memory.put_value(at + 0x18, row.p_allocs);
        memory.put_value(at + 0x28, row.p_frees);
        memory.put_value(at + 0x00, row.p_bytes);
    }
    void put_big(std::uint64_t index, std::uint64_t va, const char* tag, std::uint64_t bytes, std::uint32_t type) {
        auto& memory = target_.virtual_memory();
        VirtAddr at(big_table + index * big_stride);
        memory.put_value(at, bytes);
        memory.put_value(at + 0x0c, PoolTag::from_text(tag)->value);
        memory.put_value(at + 0x10, type << 8);
        memory.put_value(at + 0x18, va);
    }
    /// A header at `at`; sizes in bytes.
    void put_header(std::uint64_t at, std::uint32_t size, std::uint32_t previous, std::uint32_t tag,
                    std::uint8_t type) {
        auto& memory = target_.virtual_memory();
        memory.put_value(VirtAddr(at), tag);
        memory.put_value(VirtAddr(at + 4), static_cast<std::uint16_t>((size / 16) << 8 | previous / 16));
        memory.put_value(VirtAddr(at + 7), type);
    }
    /// Builds page tables for the pages of [start, start + pages): all present, at made-up frames.
    void put_page_tables(std::uint64_t start, std::uint64_t pages) {
        auto& physical = target_.physical_memory();
        constexpr std::uint64_t root = 0x1000;
        target_.edit_special().assign(0x100, std::byte{0});
        store(target_.edit_special(), 0x10, root);
        physical.map(PhysAddr(root), 4096);
        for (std::uint64_t i = 0; i < pages; ++i) {
            const std::uint64_t va = start + i * 4096;
            std::uint64_t table = root;
            for (unsigned shift : {39u, 30u, 21u}) {
                PhysAddr slot(table + ((va >> shift) & 511) * 8);
                std::uint64_t entry = physical.value<std::uint64_t>(slot).value_or(0);
                if (entry == 0) {
                    entry = next_frame_ | 3;
                    physical.map(PhysAddr(next_frame_), 4096);
                    physical.put_value(slot, entry);
                    next_frame_ += 4096;
                }
                table = entry & ~0xfffull;
            }
            physical.put_value(PhysAddr(table + ((va >> 12) & 511) * 8), (0x40000000 + i * 4096) | 3ull);
        }
    }

  private:
    FakeTarget& target_;
    std::uint64_t next_frame_ = 0x2000;
};

/// What a FakePoolKernel owns before its pool is set up.
struct FakePoolParts {
    static constexpr std::uint64_t base = 0xfffff80000000000;
    FakePoolParts() { target.edit_identity().kernel_base = VirtAddr(base); }
    FakeTarget target;
    std::shared_ptr<FakeSymbols> symbols = std::make_shared<FakeSymbols>();
};

/// A kernel of its own with such a pool.
class FakePoolKernel : public FakePoolParts, public FakePool {
  public:
    FakePoolKernel() : FakePool(FakePoolParts::target, *FakePoolParts::symbols) {
        kernel = std::make_unique<nt::Kernel>(target, [this](nt::Module& module) {
            module.symbols = symbols;
            module.symbol_state = nt::SymbolState::loaded;
        });
    }

    std::unique_ptr<nt::Kernel> kernel;
};

} // namespace poolkd::testing
