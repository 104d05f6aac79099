// Tag counters. PoolTrackTable owns the keys: a tag sits at its hash index or at the next free one. Each processor
// counts in a table of the same geometry, into which it copies a key when it first meets it; only the sum of all tables
// means anything, since a block may be charged here and freed there. The last element of a table is never reached by
// probing: it takes what fits neither the table nor the expansion table, which is one list for all processors.
#include "pool.h"

extern "C" {
PPOOL_TRACKER_TABLE PoolTrackTable;
SIZE_T PoolTrackTableSize;
SIZE_T PoolTrackTableMask;
PPOOL_TRACKER_TABLE PoolTrackTableExpansion;
SIZE_T PoolTrackTableExpansionSize;
PPOOL_TRACKER_TABLE ExPoolTagTables[ExpProcessors];
ULONG_PTR ExpTaggedPoolLock;
}

static SIZE_T ExpExpansionLimitPages;
static BOOLEAN ExpProcessorTables;

static SIZE_T ExpTagHash(ULONG Tag) {
    ULONGLONG product = static_cast<ULONGLONG>(Tag) * 40543;
    return static_cast<SIZE_T>(static_cast<ULONG>(product) ^ static_cast<ULONG>(product >> 32)) & PoolTrackTableMask;
}

static VOID ExpCharge(PPOOL_TRACKER_TABLE Entry, SIZE_T Bytes, BOOLEAN Paged, BOOLEAN Free) {
    SIZE_T change = Free ? SIZE_T(0) - Bytes : Bytes;
    if (Paged) {
        Entry->PagedBytes += change;
        (Free ? Entry->PagedFrees : Entry->PagedAllocs) += 1;
    } else {
        Entry->NonPagedBytes += change;
        (Free ? Entry->NonPagedFrees : Entry->NonPagedAllocs) += 1;
    }
}

// The table in which this processor counts. Before the processor tables exist that is the global one.
static PPOOL_TRACKER_TABLE ExpOwnTable(VOID) {
    PPOOL_TRACKER_TABLE own = ExPoolTagTables[KeGetCurrentProcessorNumber()];
    return own != nullptr ? own : PoolTrackTable;
}

// This processor's counters of Tag; null when the table has no place for it.
static PPOOL_TRACKER_TABLE ExpFindSlot(ULONG Tag, BOOLEAN Insert) {
    PPOOL_TRACKER_TABLE own = ExpOwnTable();
    SIZE_T start = ExpTagHash(Tag);
    SIZE_T index = start;
    do {
        if (PoolTrackTable[index].Key == 0 && Insert) {
            PoolTrackTable[index].Key = static_cast<LONG>(Tag);
        }
        if (PoolTrackTable[index].Key == static_cast<LONG>(Tag)) {
            own[index].Key = static_cast<LONG>(Tag);
            return &own[index];
        }
        if (PoolTrackTable[index].Key == 0) {
            return nullptr;
        }
        index = (index + 1) & PoolTrackTableMask;
    } while (index != start);
    return nullptr;
}

static PPOOL_TRACKER_TABLE ExpAllocateTable(SIZE_T Bytes) {
    PVOID table = MiAllocatePoolPages(FALSE, ExpRoundToPages(Bytes) / PAGE_SIZE);
    if (table != nullptr) {
        memset(table, 0, ExpRoundToPages(Bytes));
    }
    return static_cast<PPOOL_TRACKER_TABLE>(table);
}

// Makes the expansion table one page larger. The lock is held. FALSE at its limit or without memory.
static BOOLEAN ExpGrowExpansion(VOID) {
    SIZE_T old_bytes = PoolTrackTableExpansionSize * sizeof(POOL_TRACKER_TABLE);
    SIZE_T old_pages = ExpRoundToPages(old_bytes) / PAGE_SIZE;
    if (old_pages >= ExpExpansionLimitPages) {
        return FALSE;
    }
    SIZE_T bytes = (old_pages + 1) * PAGE_SIZE;
    PPOOL_TRACKER_TABLE table = ExpAllocateTable(bytes);
    if (table == nullptr) {
        return FALSE;
    }
    PPOOL_TRACKER_TABLE old = PoolTrackTableExpansion;
    if (old != nullptr) {
        memcpy(table, old, old_bytes);
    }
    PoolTrackTableExpansion = table;
    PoolTrackTableExpansionSize = bytes / sizeof(POOL_TRACKER_TABLE);
    if (old != nullptr) {
        MiFreePoolPages(old);
    }
    return TRUE;
}

// The counters of Tag in the list for all processors; null when they are neither there nor can be added.
static PPOOL_TRACKER_TABLE ExpFindExpansion(ULONG Tag, BOOLEAN Insert) {
    for (;;) {
        for (SIZE_T i = 0; i < PoolTrackTableExpansionSize; i++) {
            PPOOL_TRACKER_TABLE entry = &PoolTrackTableExpansion[i];
            if (entry->Key == 0 && Insert) {
                entry->Key = static_cast<LONG>(Tag);
            }
            if (entry->Key == static_cast<LONG>(Tag)) {
                return entry;
            }
            if (entry->Key == 0) {
                return nullptr;
            }
        }
        if (!Insert || !ExpGrowExpansion()) {
            return nullptr;
        }
    }
}

// Counts one allocation or free. The lock is held, so that no table moves under the entry found in it.
static VOID ExpCount(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged, BOOLEAN Free) {
    Tag &= ~PROTECTED_POOL_BIT;
    PPOOL_TRACKER_TABLE entry = ExpFindSlot(Tag, !Free);
    if (entry == nullptr) {
        entry = ExpFindExpansion(Tag, !Free);
    }
    if (entry == nullptr) {
        entry = &ExpOwnTable()[PoolTrackTableSize - 1];
        entry->Key = static_cast<LONG>(ExpTagOverflow);
    }
    ExpCharge(entry, Bytes, Paged, Free);
}

static VOID ExpCountLocked(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged, BOOLEAN Free) {
    if (PoolTrackTable != nullptr) {
        KIRQL irql = KeAcquireSpinLockRaiseToDpc(&ExpTaggedPoolLock);
        ExpCount(Tag, Bytes, Paged, Free);
        KeReleaseSpinLock(&ExpTaggedPoolLock, irql);
    }
}

VOID ExpInsertPoolTracker(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged) {
    ExpCountLocked(Tag, Bytes, Paged, FALSE);
}

VOID ExpRemovePoolTracker(ULONG Tag, SIZE_T Bytes, BOOLEAN Paged) {
    ExpCountLocked(Tag, Bytes, Paged, TRUE);
}

VOID ExpInitializeTracker(const EXP_POOL_GEOMETRY& Geometry) {
    ExpExpansionLimitPages = Geometry.ExpansionLimitPages;
    ExpProcessorTables = Geometry.ProcessorTables;
    PoolTrackTableSize = Geometry.TrackerEntries + 1;
    PoolTrackTableMask = Geometry.TrackerEntries - 1;
    SIZE_T bytes = PoolTrackTableSize * sizeof(POOL_TRACKER_TABLE);
    PoolTrackTable = ExpAllocateTable(bytes);
    // The global table is charged in its own row; what comes later counts per processor.
    ExpInsertPoolTracker(ExpTagPool, ExpRoundToPages(bytes), FALSE);
    ExCreatePoolTagTable(0);
}

extern "C" VOID ExCreatePoolTagTable(ULONG Processor) {
    if (PoolTrackTable == nullptr || !ExpProcessorTables) {
        return;
    }
    SIZE_T bytes = PoolTrackTableSize * sizeof(POOL_TRACKER_TABLE);
    ExPoolTagTables[Processor] = ExpAllocateTable(bytes);
    ExpInsertPoolTracker(ExpTagPool, ExpRoundToPages(bytes), FALSE);
}
