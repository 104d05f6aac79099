#include "pool_machine.h"

#include <sys/mman.h>

#include <cstdlib>
#include <set>
#include <sstream>

namespace lab_test {
namespace {

constexpr SIZE_T region_pages = 32768;

// Freed pages become inaccessible, so that the pool cannot use them unnoticed.
struct Region {
    UCHAR* base = nullptr;
    std::vector<SIZE_T> run_length = std::vector<SIZE_T>(region_pages); // at the first page of a run
    std::vector<bool> used = std::vector<bool>(region_pages);
    SIZE_T hint = 0;
    SIZE_T in_use = 0;
};

Region regions[2];
SIZE_T pages_left = region_pages;
int hits = 0;
int held = 0;
KIRQL current_irql = PASSIVE_LEVEL;
std::map<std::string, std::string> boot_options;

void reset(Region& region) {
    if (region.base == nullptr) {
        void* map =
            mmap(nullptr, region_pages * PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED) std::abort();
        region.base = static_cast<UCHAR*>(map);
    }
    mprotect(region.base, region_pages * PAGE_SIZE, PROT_NONE);
    madvise(region.base, region_pages * PAGE_SIZE, MADV_DONTNEED);
    region.run_length.assign(region_pages, 0);
    region.used.assign(region_pages, false);
    region.hint = 0;
    region.in_use = 0;
}

bool run_is_free(const Region& region, SIZE_T first, SIZE_T pages) {
    for (SIZE_T i = 0; i < pages; ++i) {
        if (region.used[first + i]) return false;
    }
    return true;
}

void* allocate_run(Region& region, SIZE_T pages) {
    for (SIZE_T tried = 0; tried < region_pages; ++tried) {
        const SIZE_T first = (region.hint + tried) % region_pages;
        if (first + pages > region_pages || !run_is_free(region, first, pages)) continue;
        for (SIZE_T i = 0; i < pages; ++i)
            region.used[first + i] = true;
        region.run_length[first] = pages;
        region.in_use += pages;
        region.hint = tried == 0 ? first + pages : region.hint;
        UCHAR* address = region.base + first * PAGE_SIZE;
        mprotect(address, pages * PAGE_SIZE, PROT_READ | PROT_WRITE);
        return address;
    }
    return nullptr;
}

Region& region_of(const void* address) {
    const auto* byte = static_cast<const UCHAR*>(address);
    return byte >= regions[1].base && byte < regions[1].base + region_pages * PAGE_SIZE ? regions[1] : regions[0];
}

std::set<const void*> table_pages() {
    std::set<const void*> pages{PoolTrackTable, PoolBigPageTable, PoolTrackTableExpansion, ExPoolTagTables[0]};
    for (SIZE_T i = 0; i < PoolBigPageTableSize; ++i) {
        const ULONGLONG va = PoolBigPageTable[i].Va;
        if (va != 0 && (va & 1) == 0) pages.insert(reinterpret_cast<const void*>(va));
    }
    return pages;
}

// Calls visit for the first header of each page of small blocks.
template <typename Visit>
void for_each_small_page(const Region& region, Visit visit) {
    const std::set<const void*> others = table_pages();
    for (SIZE_T page = 0; page < region_pages; ++page) {
        UCHAR* address = region.base + page * PAGE_SIZE;
        if (region.run_length[page] == 1 && !others.contains(address)) visit(reinterpret_cast<PPOOL_HEADER>(address));
    }
}

std::string check_page(PPOOL_HEADER first, bool paged, std::set<const void*>& free_blocks) {
    ULONG previous = 0;
    bool previous_free = false;
    ULONG offset = 0;
    std::ostringstream error;
    while (offset < ExpUnitsPerPage) {
        PPOOL_HEADER header = first + offset;
        if (header->BlockSize == 0) error << "size 0; ";
        if (header->PreviousSize != previous)
            error << "previous size " << header->PreviousSize << " not " << previous << "; ";
        if (header->PoolIndex != first->PoolIndex) error << "pool index differs in page; ";
        const bool is_free = header->PoolType == 0;
        if (!is_free && ((header->PoolType & 1) != 0) != paged) error << "type of the other pool; ";
        if (is_free && previous_free) error << "two adjacent free blocks; ";
        if (is_free && header->BlockSize > 1) free_blocks.insert(header + 1);
        if (!error.str().empty()) {
            error << "at offset " << offset;
            return error.str();
        }
        previous = header->BlockSize;
        previous_free = is_free;
        offset += header->BlockSize;
    }
    return offset == ExpUnitsPerPage ? "" : "blocks overrun the page";
}

std::string check_lists(PPOOL_DESCRIPTOR descriptor, std::set<const void*>& free_blocks) {
    for (ULONG size = 0; size < ExpUnitsPerPage; ++size) {
        PLIST_ENTRY head = &descriptor->ListHeads[size];
        for (PLIST_ENTRY entry = head->Flink; entry != head; entry = entry->Flink) {
            PPOOL_HEADER header = reinterpret_cast<PPOOL_HEADER>(entry) - 1;
            if (entry->Flink->Blink != entry) return "list links contradict each other";
            if (header->BlockSize != size) return "block on the list of another size";
            if (header->PoolIndex != descriptor->PoolIndex) return "block on the list of another descriptor";
            if (free_blocks.erase(entry) != 1) return "listed block is not free in its page";
        }
    }
    return "";
}

void add(std::map<ULONG, TagUsage>& sums, const POOL_TRACKER_TABLE& row) {
    TagUsage& sum = sums[static_cast<ULONG>(row.Key)];
    sum.paged.allocs += static_cast<std::int64_t>(row.PagedAllocs);
    sum.paged.frees += static_cast<std::int64_t>(row.PagedFrees);
    sum.paged.bytes += static_cast<std::int64_t>(row.PagedBytes);
    sum.nonpaged.allocs += static_cast<std::int64_t>(row.NonPagedAllocs);
    sum.nonpaged.frees += static_cast<std::int64_t>(row.NonPagedFrees);
    sum.nonpaged.bytes += static_cast<std::int64_t>(row.NonPagedBytes);
}

} // namespace

static void reset_machine() {
    for (Region& region : regions)
        reset(region);
    MmNonPagedPoolStart = regions[0].base;
    MmNonPagedPoolEnd = regions[0].base + region_pages * PAGE_SIZE;
    MmPagedPoolStart = regions[1].base;
    MmPagedPoolEnd = regions[1].base + region_pages * PAGE_SIZE - 1;
    pages_left = region_pages;
    hits = 0;
    held = 0;
    current_irql = PASSIVE_LEVEL;
    PoolHitTag = 0;
    ExpTaggedPoolLock = 0;
    ExpLargePoolTableLock = 0;
    PoolTrackTable = nullptr;
    PoolTrackTableSize = 0;
    PoolTrackTableExpansion = nullptr;
    PoolTrackTableExpansionSize = 0;
    ExPoolTagTables[0] = nullptr;
    ExpPoolBigEntriesInUse = 0;
}

void start_pool(bool tagging, SIZE_T tracker_entries, SIZE_T expansion_pages, SIZE_T big_entries) {
    reset_machine();
    ExpInitializePool({tracker_entries, expansion_pages, big_entries, TRUE, FALSE}, tagging);
}

void boot_pool(ULONG global_flag, std::map<std::string, std::string> options) {
    reset_machine();
    NtGlobalFlag = global_flag;
    boot_options = std::move(options);
    ExInitSystem();
}

SIZE_T pages_in_use(bool paged) {
    return regions[paged ? 1 : 0].in_use;
}
void limit_pages(SIZE_T pages) {
    pages_left = pages;
}
int breakpoints_hit() {
    return hits;
}
void set_irql(KIRQL irql) {
    current_irql = irql;
}
int locks_held() {
    return held;
}

std::map<ULONG, TagUsage> tag_usage() {
    std::map<ULONG, TagUsage> sums;
    const PPOOL_TRACKER_TABLE tables[] = {PoolTrackTable, ExPoolTagTables[0]};
    for (const PPOOL_TRACKER_TABLE table : tables) {
        for (SIZE_T i = 0; table != nullptr && i < PoolTrackTableSize; ++i) {
            if (table[i].Key != 0) add(sums, table[i]);
        }
    }
    for (SIZE_T i = 0; i < PoolTrackTableExpansionSize; ++i) {
        if (PoolTrackTableExpansion[i].Key != 0) add(sums, PoolTrackTableExpansion[i]);
    }
    return sums;
}

std::string check_pool() {
    if (held != 0) return "a lock is held";
    std::set<const void*> free_blocks;
    std::string error;
    for (int paged = 0; paged < 2; ++paged) {
        for_each_small_page(regions[paged], [&](PPOOL_HEADER first) {
            if (error.empty()) error = check_page(first, paged != 0, free_blocks);
        });
    }
    if (!error.empty()) return error;
    error = check_lists(&NonPagedPoolDescriptor, free_blocks);
    for (ULONG i = 0; i <= ExpNumberOfPagedPools && error.empty(); ++i) {
        error = check_lists(ExpPagedPoolDescriptor[i], free_blocks);
    }
    if (!error.empty()) return error;
    return free_blocks.empty() ? "" : "a free block is on no list";
}

std::map<ULONG, Usage> walk_small_blocks(bool paged) {
    std::map<ULONG, Usage> found;
    for_each_small_page(regions[paged ? 1 : 0], [&](PPOOL_HEADER first) {
        for (ULONG offset = 0; offset < ExpUnitsPerPage; offset += first[offset].BlockSize) {
            if (first[offset].PoolType == 0) continue;
            Usage& usage = found[first[offset].PoolTag & ~PROTECTED_POOL_BIT];
            usage.allocs++;
            usage.bytes += static_cast<std::int64_t>(first[offset].BlockSize * ExpPoolUnit);
        }
    });
    return found;
}

} // namespace lab_test

using namespace lab_test;

extern "C" {

ULONG NtGlobalFlag;
PVOID MmNonPagedPoolStart;
PVOID MmNonPagedPoolEnd;
PVOID MmPagedPoolStart;
PVOID MmPagedPoolEnd;

PVOID MiAllocatePoolPages(BOOLEAN paged, SIZE_T pages) {
    if (pages > pages_left) return nullptr;
    PVOID address = allocate_run(regions[paged ? 1 : 0], pages);
    if (address != nullptr) pages_left -= pages;
    return address;
}

SIZE_T MiFreePoolPages(PVOID base) {
    Region& region = region_of(base);
    const SIZE_T first = static_cast<SIZE_T>(static_cast<UCHAR*>(base) - region.base) / PAGE_SIZE;
    const SIZE_T pages = region.run_length[first];
    if (pages == 0) KeBugCheckEx(0x19, 0xDEAD, first, 0, 0);
    for (SIZE_T i = 0; i < pages; ++i)
        region.used[first + i] = false;
    region.run_length[first] = 0;
    region.in_use -= pages;
    pages_left += pages;
    mprotect(base, pages * PAGE_SIZE, PROT_NONE);
    return pages;
}

void KxAcquireSpinLock(ULONG_PTR* lock) {
    if (*lock != 0) KeBugCheckEx(0xF, 0, 0, 0, 0); // taken twice: would hang on one processor
    *lock = 1;
    ++held;
}

void KxReleaseSpinLock(ULONG_PTR* lock) {
    *lock = 0;
    --held;
}

KIRQL KeAcquireSpinLockRaiseToDpc(ULONG_PTR* lock) {
    KxAcquireSpinLock(lock);
    const KIRQL old = current_irql;
    current_irql = DISPATCH_LEVEL;
    return old;
}

void KeReleaseSpinLock(ULONG_PTR* lock, KIRQL irql) {
    KxReleaseSpinLock(lock);
    current_irql = irql;
}

KIRQL KfRaiseIrql(KIRQL irql) {
    const KIRQL old = current_irql;
    current_irql = irql;
    return old;
}

void KeLowerIrql(KIRQL irql) {
    current_irql = irql;
}
BOOLEAN KeGetBootOption(const char* name, char* value, SIZE_T value_size) {
    const auto option = boot_options.find(name);
    if (option == boot_options.end()) return FALSE;
    strncpy(value, option->second.c_str(), value_size - 1);
    value[value_size - 1] = 0;
    return TRUE;
}

BOOLEAN KeBootOptionIs(const char* name, const char* value, BOOLEAN otherwise) {
    const auto option = boot_options.find(name);
    return option == boot_options.end() ? otherwise : option->second == value;
}

KIRQL KeGetCurrentIrql() {
    return current_irql;
}
ULONG KeGetCurrentProcessorNumber() {
    return 0;
}
void DbgBreakPoint() {
    if (held != 0) std::abort(); // a stop with a lock held would let nobody else allocate
    ++hits;
}

void KeBugCheckEx(ULONG code, ULONG_PTR first, ULONG_PTR second, ULONG_PTR third, ULONG_PTR fourth) {
    throw BugCheck{code, {first, second, third, fourth}};
}
}
