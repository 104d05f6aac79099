// Pages for the pool, from two regions of address space. Non-paged pages are all there when handed out; of a paged
// allocation only the first is, the others come when touched.
#include "mm.h"

constexpr ULONG MiPoolRegionPages = sizeof(PVOID) == 8 ? 0x10000 : 0x6000; // of address space each
constexpr SIZE_T MiReservedPages = 64;                                     // never promised to the pool
constexpr ULONG MiBitmapUlongs = MiPoolRegionPages / 32 * 2;

extern "C" {
PVOID MmNonPagedPoolStart;
PVOID MmNonPagedPoolEnd;
PVOID MmPagedPoolStart;
PVOID MmPagedPoolEnd;
MM_PAGED_POOL_INFO MmPagedPoolInfo;
SIZE_T MmMaximumNonPagedPoolInBytes = SIZE_T(MiPoolRegionPages) * PAGE_SIZE;
SIZE_T MmSizeOfPagedPoolInBytes = SIZE_T(MiPoolRegionPages) * PAGE_SIZE;
SIZE_T MmAllocatedNonPagedPool; // pages
}

SIZE_T MiPromisedPages;

static MI_REGION MiNonPagedRegion;
static MI_REGION MiPagedRegion;
static RTL_BITMAP MiNonPagedMap;
static RTL_BITMAP MiNonPagedEnds;
static ULONG MiNonPagedBits[MiBitmapUlongs];
static ULONG MiPagedBits[MiBitmapUlongs];

INIT_FUNCTION VOID MiInitializePoolRegions(VOID) {
    MiInitializeRegion(&MiNonPagedRegion, LAB_NONPAGED_POOL_BASE, MiPoolRegionPages, &MiNonPagedMap, &MiNonPagedEnds,
                       MiNonPagedBits);
    MiInitializeRegion(&MiPagedRegion, LAB_PAGED_POOL_BASE, MiPoolRegionPages, &MmPagedPoolInfo.PagedPoolAllocationMap,
                       &MmPagedPoolInfo.EndOfPagedPoolBitmap, MiPagedBits);
    MmNonPagedPoolStart = reinterpret_cast<PVOID>(LAB_NONPAGED_POOL_BASE);
    MmNonPagedPoolEnd = reinterpret_cast<PVOID>(LAB_NONPAGED_POOL_BASE + MmMaximumNonPagedPoolInBytes);
    MmPagedPoolStart = reinterpret_cast<PVOID>(LAB_PAGED_POOL_BASE);
    MmPagedPoolEnd = reinterpret_cast<PVOID>(LAB_PAGED_POOL_BASE + MmSizeOfPagedPoolInBytes - 1);
    MmPagedPoolInfo.FirstPteForPagedPool = MiGetPteAddress(MmPagedPoolStart);
    MmPagedPoolInfo.LastPteForPagedPool = MiGetPteAddress(MmPagedPoolEnd);
}

BOOLEAN MiIsPagedPoolAddress(ULONG_PTR Address) {
    return Address - LAB_PAGED_POOL_BASE < MmSizeOfPagedPoolInBytes;
}

// The first page is mapped, the others get entries that say "zeroes, when touched".
static BOOLEAN MiPreparePagedPages(PUCHAR Address, SIZE_T Pages) {
    for (SIZE_T i = 1; i < Pages; i++) {
        if (!MiMakeTables(Address + i * PAGE_SIZE)) {
            MiUnmapPages(Address, i, TRUE);
            return FALSE;
        }
        MMPTE pte = {};
        pte.u.Soft.Protection = MM_SOFT_READWRITE;
        *MiGetPteAddress(Address + i * PAGE_SIZE) = pte;
    }
    return MiMapNewPages(Address, 1, MM_READWRITE);
}

extern "C" PVOID MiAllocatePoolPages(BOOLEAN Paged, SIZE_T Pages) {
    KIRQL irql = MiLock();
    MI_REGION* region = Paged ? &MiPagedRegion : &MiNonPagedRegion;
    PVOID address = nullptr;
    if (MmAvailablePages >= Pages + MiPromisedPages + MiReservedPages) {
        address = MiAllocateRegion(region, Pages);
    }
    if (address != nullptr) {
        BOOLEAN mapped = Paged ? MiPreparePagedPages(static_cast<PUCHAR>(address), Pages)
                               : MiMapNewPages(address, Pages, MM_READWRITE);
        if (!mapped) {
            MiFreeRegion(region, address);
            address = nullptr;
        } else if (Paged) {
            MiPromisedPages += Pages - 1;
            MmPagedPoolInfo.PagedPoolCommit += Pages;
            MmPagedPoolInfo.AllocatedPagedPool += Pages;
            MmPagedPoolInfo.PagedPoolHint = region->Hint;
        } else {
            MmAllocatedNonPagedPool += Pages;
        }
    }
    MiUnlock(irql);
    return address;
}

extern "C" SIZE_T MiFreePoolPages(PVOID Base) {
    KIRQL irql = MiLock();
    BOOLEAN paged = MiIsPagedPoolAddress(reinterpret_cast<ULONG_PTR>(Base));
    SIZE_T pages = MiFreeRegion(paged ? &MiPagedRegion : &MiNonPagedRegion, Base);
    if (paged) {
        for (SIZE_T i = 0; i < pages; i++) {
            // Pages that are not present are given back as well: first make them so.
            PUCHAR page = static_cast<PUCHAR>(Base) + i * PAGE_SIZE;
            PMMPTE pte = MiGetPteAddress(page);
            if ((pte->u.Long & MM_PTE_VALID) == 0) {
                MmAccessFault(0, reinterpret_cast<ULONG_PTR>(page), nullptr);
            }
        }
        MmPagedPoolInfo.PagedPoolCommit -= pages;
        MmPagedPoolInfo.AllocatedPagedPool -= pages;
    } else {
        MmAllocatedNonPagedPool -= pages;
    }
    MiUnmapPages(Base, pages, TRUE);
    MiUnlock(irql);
    return pages;
}
