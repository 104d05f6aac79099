// System address space in pages: kernel stacks, device registers, contiguous memory, views of physical memory.
#include "mm.h"

constexpr ULONG MiSystemPtePages = 0x4000;
constexpr ULONG MiDriverPages = 0x4000;
constexpr SIZE_T MiStackPages = 6;
constexpr SIZE_T MiGuardPages = 1;
constexpr SIZE_T MiContiguousPages = 64;

extern "C" {
MI_REGION MiSystemPteRegion;
MI_REGION MiDriverRegion;
PVOID MmSystemPtesStart;
PVOID MmSystemPtesEnd;
}

static RTL_BITMAP MiSystemPteMap, MiSystemPteEnds, MiDriverMap, MiDriverEnds;
static ULONG MiSystemPteBits[MiSystemPtePages / 32 * 2];
static ULONG MiDriverBits[MiDriverPages / 32 * 2];
static PFN_NUMBER MiContiguousNext;
static PFN_NUMBER MiContiguousEnd;

INIT_FUNCTION VOID MiInitializeSystemRegions(VOID) {
    MiInitializeRegion(&MiSystemPteRegion, LAB_SYSTEM_PTE_BASE, MiSystemPtePages, &MiSystemPteMap, &MiSystemPteEnds,
                       MiSystemPteBits);
    MiInitializeRegion(&MiDriverRegion, LAB_DRIVER_BASE + static_cast<ULONG_PTR>(KiLoaderBlock.DriverSlide),
                       MiDriverPages, &MiDriverMap, &MiDriverEnds, MiDriverBits);
    MmSystemPtesStart = reinterpret_cast<PVOID>(MiSystemPteRegion.Base);
    MmSystemPtesEnd = reinterpret_cast<PVOID>(MiSystemPteRegion.Base + SIZE_T(MiSystemPtePages) * PAGE_SIZE - 1);
    // The lowest pages of the free list are still in order: take a run of them for devices.
    MiContiguousNext = MiRemoveAnyPage();
    MiContiguousEnd = MiContiguousNext + 1;
    for (SIZE_T i = 1; i < MiContiguousPages; i++) {
        if (MiRemoveAnyPage() != MiContiguousEnd++) {
            KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 4);
        }
    }
}

extern "C" PVOID MiReserveSystemPtes(SIZE_T Pages) {
    return MiAllocateRegion(&MiSystemPteRegion, Pages);
}

extern "C" VOID MiReleaseSystemPtes(PVOID Base) {
    MiFreeRegion(&MiSystemPteRegion, Base);
}

// A stack with a page below it that is never mapped, so that an overflow faults.
extern "C" PVOID MmCreateKernelStack(PVOID* StackLimit) {
    PUCHAR base = static_cast<PUCHAR>(MiReserveSystemPtes(MiStackPages + MiGuardPages));
    if (base == nullptr) {
        return nullptr;
    }
    PUCHAR limit = base + MiGuardPages * PAGE_SIZE;
    if (!MiMapNewPages(limit, MiStackPages, MM_READWRITE)) {
        MiReleaseSystemPtes(base);
        return nullptr;
    }
    memset(limit, 0, MiStackPages * PAGE_SIZE);
    *StackLimit = limit;
    return limit + MiStackPages * PAGE_SIZE;
}

extern "C" VOID MmDeleteKernelStack(PVOID StackTop) {
    PUCHAR limit = static_cast<PUCHAR>(StackTop) - MiStackPages * PAGE_SIZE;
    MiUnmapPages(limit, MiStackPages, TRUE);
    MiReleaseSystemPtes(limit - MiGuardPages * PAGE_SIZE);
}

extern "C" PVOID MmMapIoSpace(ULONG64 PhysicalAddress, SIZE_T Bytes) {
    SIZE_T offset = PhysicalAddress & (PAGE_SIZE - 1);
    SIZE_T pages = MiPagesFor(offset + Bytes);
    PUCHAR base = static_cast<PUCHAR>(MiReserveSystemPtes(pages));
    if (base == nullptr) {
        return nullptr;
    }
    for (SIZE_T i = 0; i < pages; i++) {
        if (!MiMapPage(base + i * PAGE_SIZE, static_cast<PFN_NUMBER>(PhysicalAddress >> PAGE_SHIFT) + i,
                       MM_READWRITE | MM_NOCACHE)) {
            return nullptr;
        }
    }
    return base + offset;
}

extern "C" PVOID MmAllocateContiguousMemory(SIZE_T Bytes) {
    SIZE_T pages = MiPagesFor(Bytes);
    if (pages > MiContiguousEnd - MiContiguousNext) {
        return nullptr;
    }
    PUCHAR base = static_cast<PUCHAR>(MiReserveSystemPtes(pages));
    if (base == nullptr) {
        return nullptr;
    }
    for (SIZE_T i = 0; i < pages; i++) {
        if (!MiMapPage(base + i * PAGE_SIZE, MiContiguousNext + i, MM_READWRITE)) {
            return nullptr;
        }
    }
    MiContiguousNext += pages;
    memset(base, 0, pages * PAGE_SIZE);
    return base;
}

// Frames behind one another for good, mapped nowhere: their address, or 0.
extern "C" INIT_FUNCTION ULONG64 MmReserveContiguousFrames(SIZE_T Pages) {
    if (Pages > MiContiguousEnd - MiContiguousNext) {
        return 0;
    }
    MiContiguousEnd -= Pages;
    return static_cast<ULONG64>(MiContiguousEnd) << PAGE_SHIFT;
}
