// The part of lookaside lists that is compiled into the driver, as in NT: a block comes from the driver's own list, and
// the pool is entered only when that is empty or full.
#pragma once

#include "nt.h"

typedef struct _SLIST_HEADER SLIST_HEADER, *PSLIST_HEADER;
typedef struct _SINGLE_LIST_ENTRY SLIST_ENTRY, *PSLIST_ENTRY;
typedef struct _GENERAL_LOOKASIDE GENERAL_LOOKASIDE, *PGENERAL_LOOKASIDE;
typedef struct _NPAGED_LOOKASIDE_LIST NPAGED_LOOKASIDE_LIST, *PNPAGED_LOOKASIDE_LIST;
typedef struct _PAGED_LOOKASIDE_LIST PAGED_LOOKASIDE_LIST, *PPAGED_LOOKASIDE_LIST;

extern "C" {
NTKERNELAPI VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                                 PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag,
                                                 USHORT Depth);
NTKERNELAPI VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside);
NTKERNELAPI VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PALLOCATE_FUNCTION Allocate,
                                                PFREE_FUNCTION Free, ULONG Flags, SIZE_T Size, ULONG Tag, USHORT Depth);
NTKERNELAPI VOID ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside);
NTKERNELAPI PSLIST_ENTRY FASTCALL ExpInterlockedPopEntrySList(PSLIST_HEADER ListHead);
NTKERNELAPI PSLIST_ENTRY FASTCALL ExpInterlockedPushEntrySList(PSLIST_HEADER ListHead, PSLIST_ENTRY ListEntry);
NTKERNELAPI USHORT ExQueryDepthSList(PSLIST_HEADER ListHead);
}

inline PVOID ExAllocateFromLookaside(PGENERAL_LOOKASIDE List) {
    List->TotalAllocates++;
    PVOID entry = ExpInterlockedPopEntrySList(&List->ListHead);
    if (entry == nullptr) {
        List->AllocateMisses++;
        entry = List->Allocate(List->Type, List->Size, List->Tag);
    }
    return entry;
}

inline VOID ExFreeToLookaside(PGENERAL_LOOKASIDE List, PVOID Entry) {
    List->TotalFrees++;
    if (ExQueryDepthSList(&List->ListHead) >= List->Depth) {
        List->FreeMisses++;
        List->Free(Entry);
        return;
    }
    ExpInterlockedPushEntrySList(&List->ListHead, static_cast<PSLIST_ENTRY>(Entry));
}

inline PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside) {
    return ExAllocateFromLookaside(&Lookaside->L);
}

inline VOID ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry) {
    ExFreeToLookaside(&Lookaside->L, Entry);
}

inline PVOID ExAllocateFromPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside) {
    return ExAllocateFromLookaside(&Lookaside->L);
}

inline VOID ExFreeToPagedLookasideList(PPAGED_LOOKASIDE_LIST Lookaside, PVOID Entry) {
    ExFreeToLookaside(&Lookaside->L, Entry);
}
