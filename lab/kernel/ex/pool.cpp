// The pool's routines for the rest of the kernel and for drivers.
#include "pool.h"

constexpr SIZE_T ExpMaximumRequest = SIZE_T(1) << (sizeof(SIZE_T) == 8 ? 40 : 30);

extern "C" {
// The tag at whose allocation and release the kernel stops. A debugger writes it; 0 and unused tags match nothing.
ULONG PoolHitTag;
ULONG ExpPoolFlags;
POOL_DESCRIPTOR NonPagedPoolDescriptor;
PPOOL_DESCRIPTOR PoolVector[2];
PPOOL_DESCRIPTOR ExpNonPagedPoolDescriptor[1];
ULONG ExpNumberOfNonPagedPools = 1;
PPOOL_DESCRIPTOR ExpPagedPoolDescriptor[ExpPagedPools + 1];
ULONG ExpNumberOfPagedPools = ExpPagedPools;
}

static POOL_DESCRIPTOR ExpPagedDescriptors[ExpPagedPools + 1];

SIZE_T ExpRoundToPages(SIZE_T Bytes) {
    return (Bytes + PAGE_SIZE - 1) & ~SIZE_T(PAGE_SIZE - 1);
}

VOID ExpInitializePool(const EXP_POOL_GEOMETRY& Geometry, BOOLEAN Tagging) {
    ExpInitializeDescriptor(&NonPagedPoolDescriptor, NonPagedPoolNx, 0);
    PoolVector[0] = &NonPagedPoolDescriptor;
    ExpNonPagedPoolDescriptor[0] = &NonPagedPoolDescriptor;
    for (ULONG i = 0; i <= ExpPagedPools; i++) {
        ExpInitializeDescriptor(&ExpPagedDescriptors[i], PagedPool, i);
        ExpPagedPoolDescriptor[i] = &ExpPagedDescriptors[i];
    }
    PoolVector[1] = &ExpPagedDescriptors[0];
    if (Tagging) {
        ExpInitializeTracker(Geometry);
    }
    ExpInitializeBigPages(Geometry.BigPageEntries, Geometry.BigPoolFlags);
}

// Inline, so that the stop shows the allocator's own frame. The breakpoint is compiled in: the debugger steps over it.
static inline __attribute__((always_inline)) VOID ExpStopAtHitTag(ULONG Tag) {
    if (PoolTrackTable != nullptr && (Tag & ~PROTECTED_POOL_BIT) == PoolHitTag) {
        DbgBreakPoint();
    }
}

static VOID ExpCheckIrql(ULONG Subcode, BOOLEAN Paged, ULONG PoolType, ULONG_PTR What) {
    KIRQL irql = KeGetCurrentIrql();
    if (irql > (Paged ? APC_LEVEL : DISPATCH_LEVEL)) {
        KeBugCheckEx(BAD_POOL_CALLER, Subcode, irql, PoolType, What);
    }
}

static PPOOL_DESCRIPTOR ExpTotalsOf(BOOLEAN Paged) {
    return PoolVector[Paged ? 1 : 0];
}

// An allocation of whole pages, entered in the table of big pages. Charged is what its tag pays: the pages.
static PVOID ExpAllocateBig(ULONG PoolType, SIZE_T Bytes, ULONG Tag, SIZE_T* Charged) {
    BOOLEAN paged = (PoolType & ExpPoolPaged) != 0;
    *Charged = ExpRoundToPages(Bytes);
    SIZE_T pages = *Charged / PAGE_SIZE;
    PVOID address = MiAllocatePoolPages(paged, pages);
    if (address == nullptr) {
        return nullptr;
    }
    if (!ExpAddTagForBigPages(address, Tag, *Charged, *Charged - Bytes, PoolType)) {
        MiFreePoolPages(address);
        return nullptr;
    }
    PPOOL_DESCRIPTOR descriptor = ExpTotalsOf(paged);
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&descriptor->NonPagedLock);
    ExpCountBlock(descriptor, *Charged, pages, FALSE);
    KeReleaseSpinLock(&descriptor->NonPagedLock, irql);
    return address;
}

static PVOID ExpAllocateSmall(ULONG PoolType, SIZE_T Bytes, ULONG Tag, SIZE_T* Charged) {
    // A block of one unit could not be listed when free: a request for nothing gets one byte, as in NT.
    ULONG units = static_cast<ULONG>(((Bytes == 0 ? 1 : Bytes) + ExpPoolUnit - 1) / ExpPoolUnit) + 1;
    *Charged = units * ExpPoolUnit;
    BOOLEAN paged = (PoolType & ExpPoolPaged) != 0;
    PPOOL_HEADER header = ExpAllocateBlock(ExpChooseDescriptor(paged), units, PoolType, Tag);
    return header == nullptr ? nullptr : reinterpret_cast<PUCHAR>(header) + ExpPoolUnit;
}

extern "C" __attribute__((noinline)) PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag) {
    ULONG type = static_cast<ULONG>(PoolType);
    BOOLEAN paged = (type & ExpPoolPaged) != 0;
    if ((Tag & ~PROTECTED_POOL_BIT) == 0) {
        KeBugCheckEx(BAD_POOL_CALLER, 0x9B, type, NumberOfBytes, 0);
    }
    ExpCheckIrql(8, paged, type, NumberOfBytes);
    SIZE_T charged = 0;
    PVOID block = nullptr;
    if (NumberOfBytes <= ExpLargestSmallRequest) {
        block = ExpAllocateSmall(type, NumberOfBytes, Tag, &charged);
    } else if (NumberOfBytes <= ExpMaximumRequest) {
        block = ExpAllocateBig(type, NumberOfBytes, Tag, &charged);
    }
    if (block == nullptr) {
        if ((type & POOL_RAISE_IF_ALLOCATION_FAILURE) != 0) {
            KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, STATUS_INSUFFICIENT_RESOURCES, 0, NumberOfBytes, Tag);
        }
        return nullptr;
    }
    ExpStopAtHitTag(Tag);
    ExpInsertPoolTracker(Tag, charged, paged);
    return block;
}

extern "C" PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes) {
    PVOID block = ExAllocatePoolWithTag(PoolType, NumberOfBytes, ExpTagNone);
    return block;
}

extern "C" PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag) {
    ULONG type;
    if ((Flags & POOL_FLAG_PAGED) != 0) {
        type = PagedPool;
    } else if ((Flags & POOL_FLAG_NON_PAGED) != 0) {
        type = NonPagedPoolNx;
    } else if ((Flags & POOL_FLAG_NON_PAGED_EXECUTE) != 0) {
        type = NonPagedPool;
    } else {
        return nullptr;
    }
    if (Tag == 0 || NumberOfBytes == 0) {
        return nullptr;
    }
    if ((Flags & POOL_FLAG_CACHE_ALIGNED) != 0) {
        type |= NonPagedPoolCacheAligned;
    }
    if ((Flags & POOL_FLAG_RAISE_ON_FAILURE) != 0) {
        type |= POOL_RAISE_IF_ALLOCATION_FAILURE;
    }
    PVOID block = ExAllocatePoolWithTag(static_cast<POOL_TYPE>(type), NumberOfBytes, Tag);
    if (block != nullptr && (Flags & POOL_FLAG_UNINITIALIZED) == 0) {
        memset(block, 0, NumberOfBytes);
    }
    return block;
}

// A tag given on free must be the block's; a protected block cannot be freed without.
static VOID ExpCheckFreeTag(PVOID P, ULONG BlockTag, ULONG FreeTag) {
    BOOLEAN protected_block = (BlockTag & PROTECTED_POOL_BIT) != 0;
    if ((FreeTag == 0 && protected_block) || (FreeTag != 0 && ((FreeTag ^ BlockTag) & ~PROTECTED_POOL_BIT) != 0)) {
        KeBugCheckEx(BAD_POOL_CALLER, 0x0A, reinterpret_cast<ULONG_PTR>(P), BlockTag, FreeTag);
    }
}

static VOID ExpReleaseBig(PVOID P, PPOOL_TRACKER_BIG_PAGES Entry) {
    BOOLEAN paged = (Entry->PoolType & ExpPoolPaged) != 0;
    POOL_TRACKER_BIG_PAGES removed;
    if (!ExpFindTagForBigPages(P, TRUE, &removed)) {
        KeBugCheckEx(BAD_POOL_HEADER, 0x22, reinterpret_cast<ULONG_PTR>(P), 0, 0);
    }
    PPOOL_DESCRIPTOR descriptor = ExpTotalsOf(paged);
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&descriptor->NonPagedLock);
    ExpCountBlock(descriptor, removed.NumberOfBytes, removed.NumberOfBytes / PAGE_SIZE, TRUE);
    KeReleaseSpinLock(&descriptor->NonPagedLock, irql);
    MiFreePoolPages(P);
}

static BOOLEAN ExpIsPoolAddress(ULONG_PTR Address) {
    return (Address >= reinterpret_cast<ULONG_PTR>(MmNonPagedPoolStart) &&
            Address < reinterpret_cast<ULONG_PTR>(MmNonPagedPoolEnd)) ||
           (Address >= reinterpret_cast<ULONG_PTR>(MmPagedPoolStart) &&
            Address <= reinterpret_cast<ULONG_PTR>(MmPagedPoolEnd));
}

extern "C" __attribute__((noinline)) VOID ExFreePoolWithTag(PVOID P, ULONG Tag) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(P);
    if (!ExpIsPoolAddress(address)) {
        KeBugCheckEx(BAD_POOL_CALLER, 0x42, address, 0, 0);
    }
    if ((address & (ExpPoolUnit - 1)) != 0) {
        KeBugCheckEx(BAD_POOL_CALLER, 0x46, address, 0, 0);
    }
    if ((address & (PAGE_SIZE - 1)) == 0) {
        POOL_TRACKER_BIG_PAGES entry;
        if (!ExpFindTagForBigPages(P, FALSE, &entry)) {
            KeBugCheckEx(BAD_POOL_HEADER, 0x22, address, 0, 0);
        }
        BOOLEAN paged = (entry.PoolType & ExpPoolPaged) != 0;
        ExpCheckFreeTag(P, entry.Key, Tag);
        ExpCheckIrql(9, paged, entry.PoolType, address);
        ExpCheckSlush(P, &entry);
        ExpStopAtHitTag(entry.Key);
        ExpRemovePoolTracker(entry.Key, entry.NumberOfBytes, paged);
        ExpReleaseBig(P, &entry);
        return;
    }
    PPOOL_HEADER header = reinterpret_cast<PPOOL_HEADER>(address - ExpPoolUnit);
    ExpCheckLiveBlock(header);
    BOOLEAN paged = (header->PoolType & ExpPoolPaged) != 0;
    ExpCheckFreeTag(P, header->PoolTag, Tag);
    ExpCheckIrql(9, paged, header->PoolType, address);
    ExpStopAtHitTag(header->PoolTag);
    ExpRemovePoolTracker(header->PoolTag, header->BlockSize * ExpPoolUnit, paged);
    ExpFreeBlock(header);
}

extern "C" VOID ExFreePool(PVOID P) {
    ExFreePoolWithTag(P, 0);
}
