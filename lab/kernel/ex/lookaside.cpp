// Lookaside lists: a driver's own store of freed blocks of one size. A driver pops and pushes without entering the pool
// (see lookaside.h); the pool and its tag counters see only the blocks that come and go
// when the list is empty or full. All lists hang on two list heads, as in NT.
#include "lookaside.h"

#include "pool.h"

extern "C" {
LIST_ENTRY ExNPagedLookasideListHead = {&ExNPagedLookasideListHead, &ExNPagedLookasideListHead};
LIST_ENTRY ExPagedLookasideListHead = {&ExPagedLookasideListHead, &ExPagedLookasideListHead};
ULONG_PTR ExNPagedLookasideLock;
ULONG_PTR ExPagedLookasideLock;
}

constexpr USHORT ExpDefaultLookasideDepth = 4;
constexpr USHORT ExpMaximumLookasideDepth = 256;

static VOID ExpInitializeList(PGENERAL_LOOKASIDE List, POOL_TYPE PoolType, PALLOCATE_FUNCTION Allocate,
                              PFREE_FUNCTION Free, SIZE_T Size, ULONG Tag) {
    memset(List, 0, sizeof(*List));
    List->Depth = ExpDefaultLookasideDepth;
    List->MaximumDepth = ExpMaximumLookasideDepth;
    List->Type = PoolType;
    List->Tag = Tag;
    List->Size = static_cast<ULONG>(Size < sizeof(SLIST_ENTRY) ? sizeof(SLIST_ENTRY) : Size);
    List->Allocate = Allocate != nullptr ? Allocate : ExAllocatePoolWithTag;
    List->Free = Free != nullptr ? Free : ExFreePool;
}

static VOID ExpInsertList(PGENERAL_LOOKASIDE List, PLIST_ENTRY Head, PULONG_PTR Lock) {
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
    List->ListEntry.Flink = Head;
    List->ListEntry.Blink = Head->Blink;
    Head->Blink->Flink = &List->ListEntry;
    Head->Blink = &List->ListEntry;
    KeReleaseSpinLock(Lock, irql);
}

// Takes the list off its head and gives every stored block back to the pool.
static VOID ExpDeleteList(PGENERAL_LOOKASIDE List, PULONG_PTR Lock) {
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(Lock);
    List->ListEntry.Flink->Blink = List->ListEntry.Blink;
    List->ListEntry.Blink->Flink = List->ListEntry.Flink;
    KeReleaseSpinLock(Lock, irql);
    while (PSLIST_ENTRY entry = ExpInterlockedPopEntrySList(&List->ListHead)) {
        List->Free(entry);
    }
}

extern "C" VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                                PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT) {
    POOL_TYPE type = static_cast<POOL_TYPE>(NonPagedPoolNx | (Flags & POOL_RAISE_IF_ALLOCATION_FAILURE));
    ExpInitializeList(&Lookaside->L, type, Allocate, Free, Size, Tag);
    ExpInsertList(&Lookaside->L, &ExNPagedLookasideListHead, &ExNPagedLookasideLock);
}

extern "C" VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside) {
    ExpDeleteList(&Lookaside->L, &ExNPagedLookasideLock);
}

extern "C" VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                               PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT) {
    POOL_TYPE type = static_cast<POOL_TYPE>(PagedPool | (Flags & POOL_RAISE_IF_ALLOCATION_FAILURE));
    ExpInitializeList(&Lookaside->L, type, Allocate, Free, Size, Tag);
    ExpInsertList(&Lookaside->L, &ExPagedLookasideListHead, &ExPagedLookasideLock);
}

extern "C" VOID ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside) {
    ExpDeleteList(&Lookaside->L, &ExPagedLookasideLock);
}
