// The table of allocations without a header: those of a page and more. Open addressing by page number; a slot is in use
// when its address is neither zero nor odd. A freed slot keeps what it held, with bit 0 of the address set.
#include "pool.h"

extern "C" {
PPOOL_TRACKER_BIG_PAGES PoolBigPageTable;
SIZE_T PoolBigPageTableSize;
SIZE_T ExpPoolBigEntriesInUse;
ULONG_PTR ExpLargePoolTableLock;
}

constexpr ULONG_PTR ExpBigNeverUsed = 1;
static BOOLEAN ExpBigPoolFlags; // PoolType holds POOL_FLAGS, as from build 26100 on

static SIZE_T ExpBigHash(ULONG_PTR Va) {
    ULONGLONG product = static_cast<ULONGLONG>(static_cast<ULONG>(Va >> PAGE_SHIFT)) * 40543;
    return static_cast<SIZE_T>(static_cast<ULONG>(product) ^ static_cast<ULONG>(product >> 32)) &
           (PoolBigPageTableSize - 1);
}

static BOOLEAN ExpBigInUse(PPOOL_TRACKER_BIG_PAGES Entry) {
    return Entry->Va != 0 && (Entry->Va & 1) == 0;
}

static PPOOL_TRACKER_BIG_PAGES ExpAllocateBigTable(SIZE_T Entries) {
    PVOID pages = MiAllocatePoolPages(FALSE, ExpRoundToPages(Entries * sizeof(POOL_TRACKER_BIG_PAGES)) / PAGE_SIZE);
    PPOOL_TRACKER_BIG_PAGES table = static_cast<PPOOL_TRACKER_BIG_PAGES>(pages);
    if (table != nullptr) {
        memset(table, 0, ExpRoundToPages(Entries * sizeof(POOL_TRACKER_BIG_PAGES)));
        for (SIZE_T i = 0; i < Entries; i++) {
            table[i].Va = ExpBigNeverUsed;
        }
    }
    return table;
}

// A slot that can be overwritten, from the hash index of Va on and all the way round; null when the table is full.
static PPOOL_TRACKER_BIG_PAGES ExpFindBigSlot(ULONG_PTR Va) {
    SIZE_T start = ExpBigHash(Va);
    for (SIZE_T i = 0; i < PoolBigPageTableSize; i++) {
        PPOOL_TRACKER_BIG_PAGES entry = &PoolBigPageTable[(start + i) & (PoolBigPageTableSize - 1)];
        if (!ExpBigInUse(entry)) {
            return entry;
        }
    }
    return nullptr;
}

// Doubles the table and enters what is in use anew; history is dropped. The lock is held.
static BOOLEAN ExpGrowBigTable(VOID) {
    PPOOL_TRACKER_BIG_PAGES old = PoolBigPageTable;
    SIZE_T old_size = PoolBigPageTableSize;
    PPOOL_TRACKER_BIG_PAGES table = ExpAllocateBigTable(old_size * 2);
    if (table == nullptr) {
        return FALSE;
    }
    PoolBigPageTable = table;
    PoolBigPageTableSize = old_size * 2;
    for (SIZE_T i = 0; i < old_size; i++) {
        if (ExpBigInUse(&old[i])) {
            *ExpFindBigSlot(old[i].Va) = old[i];
        }
    }
    ExpRemovePoolTracker(ExpTagPool, ExpRoundToPages(old_size * sizeof(POOL_TRACKER_BIG_PAGES)), FALSE);
    ExpInsertPoolTracker(ExpTagPool, ExpRoundToPages(old_size * 2 * sizeof(POOL_TRACKER_BIG_PAGES)), FALSE);
    MiFreePoolPages(old);
    return TRUE;
}

static ULONG ExpStoredBigType(ULONG PoolType) {
    if (!ExpBigPoolFlags) {
        return PoolType & 0xFFF;
    }
    if ((PoolType & ExpPoolPaged) != 0) {
        return POOL_FLAG_PAGED;
    }
    return (PoolType & NonPagedPoolNx) != 0 ? POOL_FLAG_NON_PAGED : POOL_FLAG_NON_PAGED_EXECUTE;
}

static ULONG ExpBigTypeOf(ULONG Stored) {
    if (!ExpBigPoolFlags) {
        return Stored;
    }
    return (Stored & POOL_FLAG_PAGED) != 0       ? PagedPool
           : (Stored & POOL_FLAG_NON_PAGED) != 0 ? NonPagedPoolNx
                                                 : NonPagedPool;
}

VOID ExpInitializeBigPages(SIZE_T Entries, BOOLEAN PoolFlags) {
    ExpBigPoolFlags = PoolFlags;
    PoolBigPageTable = ExpAllocateBigTable(Entries);
    PoolBigPageTableSize = Entries;
    ExpInsertPoolTracker(ExpTagPool, ExpRoundToPages(Entries * sizeof(POOL_TRACKER_BIG_PAGES)), FALSE);
}

// The unused tail of the last page is filled and looked at when the allocation is freed: from Windows 10 on.
#if LAB_ERA == 7

static VOID ExpDescribeSlush(PPOOL_TRACKER_BIG_PAGES, SIZE_T) {}
static VOID ExpFillSlush(PVOID, SIZE_T) {}
VOID ExpCheckSlush(PVOID, PPOOL_TRACKER_BIG_PAGES) {}

#else

constexpr UCHAR ExpBigPattern = 0xDB;

static VOID ExpDescribeSlush(PPOOL_TRACKER_BIG_PAGES Entry, SIZE_T Slush) {
    Entry->Pattern = ExpBigPattern;
    Entry->SlushSize = Slush & 0xFFF;
}

static VOID ExpFillSlush(PVOID Tail, SIZE_T Slush) {
    memset(Tail, ExpBigPattern, Slush);
}

VOID ExpCheckSlush(PVOID P, PPOOL_TRACKER_BIG_PAGES Entry) {
    const UCHAR* end = static_cast<const UCHAR*>(P) + Entry->NumberOfBytes;
    for (const UCHAR* byte = end - Entry->SlushSize; byte < end; byte++) {
        if (*byte != Entry->Pattern) {
            KeBugCheckEx(BAD_POOL_HEADER, 0x21, reinterpret_cast<ULONG_PTR>(P), Entry->NumberOfBytes,
                         reinterpret_cast<ULONG_PTR>(byte));
        }
    }
}

#endif

BOOLEAN ExpAddTagForBigPages(PVOID Va, ULONG Tag, SIZE_T Bytes, SIZE_T Slush, ULONG PoolType) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Va);
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&ExpLargePoolTableLock);
    PPOOL_TRACKER_BIG_PAGES entry = ExpFindBigSlot(address);
    if (entry == nullptr && ExpGrowBigTable()) {
        entry = ExpFindBigSlot(address);
    }
    if (entry != nullptr) {
        entry->Va = address;
        entry->Key = Tag;
        entry->PoolType = ExpStoredBigType(PoolType) & 0xFFF;
        entry->NumberOfBytes = Bytes;
        ExpDescribeSlush(entry, Slush);
        ExpPoolBigEntriesInUse++;
    }
    KeReleaseSpinLock(&ExpLargePoolTableLock, irql);
    if (entry == nullptr) {
        return FALSE;
    }
    // Without the lock: the page may not be there yet, and that is allowed for paged pool below DISPATCH_LEVEL only.
    ExpFillSlush(static_cast<PUCHAR>(Va) + (Bytes - Slush), Slush);
    return TRUE;
}

BOOLEAN ExpFindTagForBigPages(PVOID Va, BOOLEAN Remove, PPOOL_TRACKER_BIG_PAGES Entry) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Va);
    BOOLEAN found = FALSE;
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&ExpLargePoolTableLock);
    SIZE_T start = ExpBigHash(address);
    for (SIZE_T i = 0; i < PoolBigPageTableSize && !found; i++) {
        PPOOL_TRACKER_BIG_PAGES entry = &PoolBigPageTable[(start + i) & (PoolBigPageTableSize - 1)];
        if (entry->Va == address) {
            found = TRUE;
            *Entry = *entry;
            Entry->PoolType = ExpBigTypeOf(entry->PoolType) & 0xFFF;
            if (Remove) {
                entry->Va = address | 1;
                ExpPoolBigEntriesInUse--;
            }
        }
    }
    KeReleaseSpinLock(&ExpLargePoolTableLock, irql);
    return found;
}
