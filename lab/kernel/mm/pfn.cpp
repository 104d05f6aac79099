// Page frames: an _MMPFN for each page from 0 to the highest, the free ones linked by frame number.
#include "mm.h"

constexpr PFN_NUMBER MiEndOfList = ~PFN_NUMBER(0);

extern "C" {
PMMPFN MmPfnDatabase;
MMPFNLIST MmFreePageListHead;
MMPFNLIST MmStandbyPageListHead;
ULONG_PTR MmAvailablePages;
}

static PFN_NUMBER MiNextEarlyPage; // until the database exists

BOOLEAN MiIsMemory(ULONG64 PhysicalAddress) {
    ULONG64 page = PhysicalAddress >> PAGE_SHIFT;
    for (ULONG i = 0; i < MmPhysicalMemoryBlock->NumberOfRuns; i++) {
        const auto& run = MmPhysicalMemoryBlock->Run[i];
        if (page >= run.BasePage && page - run.BasePage < run.PageCount) {
            return TRUE;
        }
    }
    return FALSE;
}

static VOID MiSetActive(PFN_NUMBER Frame) {
    PMMPFN pfn = &MmPfnDatabase[Frame];
    pfn->u3.ReferenceCount = 1;
    pfn->u3.e1.PageLocation = ActiveAndValid;
    pfn->u2.ShareCount = 1;
}

VOID MiInsertPageInFreeList(PFN_NUMBER Frame) {
    KIRQL irql = MiLock();
    PMMPFN pfn = &MmPfnDatabase[Frame];
    memset(pfn, 0, sizeof(*pfn));
    pfn->u1.Flink = MmFreePageListHead.Flink;
    pfn->u2.Blink = MiEndOfList;
    pfn->u3.e1.PageLocation = FreePageList;
    if (MmFreePageListHead.Flink != MiEndOfList) {
        MmPfnDatabase[MmFreePageListHead.Flink].u2.Blink = Frame;
    } else {
        MmFreePageListHead.Blink = Frame;
    }
    MmFreePageListHead.Flink = Frame;
    MmFreePageListHead.Total++;
    MmAvailablePages++;
    MiUnlock(irql);
}

PFN_NUMBER MiRemoveAnyPage(VOID) {
    if (MmPfnDatabase == nullptr) {
        return MiNextEarlyPage++;
    }
    KIRQL irql = MiLock();
    PFN_NUMBER frame = MmFreePageListHead.Flink;
    if (frame == MiEndOfList) {
        frame = 0;
    } else {
        MmFreePageListHead.Flink = MmPfnDatabase[frame].u1.Flink;
        if (MmFreePageListHead.Flink != MiEndOfList) {
            MmPfnDatabase[MmFreePageListHead.Flink].u2.Blink = MiEndOfList;
        } else {
            MmFreePageListHead.Blink = MiEndOfList;
        }
        MmFreePageListHead.Total--;
        MmAvailablePages--;
        memset(&MmPfnDatabase[frame], 0, sizeof(MMPFN));
        MiSetActive(frame);
    }
    MiUnlock(irql);
    return frame;
}

// Everything below FirstFree is taken: the machine's low memory, the loader, the boot files, the kernel.
INIT_FUNCTION VOID MiInitializePfnDatabase(PFN_NUMBER FirstFree) {
    MiNextEarlyPage = FirstFree;
    PMMPFN database = reinterpret_cast<PMMPFN>(LAB_PFN_DATABASE);
    SIZE_T pages = MiPagesFor((MmHighestPhysicalPage + 1) * sizeof(MMPFN));
    if (!MiMapNewPages(database, pages, MM_READWRITE)) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 2);
    }
    memset(database, 0, pages * PAGE_SIZE);
    MmFreePageListHead.ListName = FreePageList;
    MmFreePageListHead.Flink = MmFreePageListHead.Blink = MiEndOfList;
    MmStandbyPageListHead.ListName = StandbyPageList;
    MmStandbyPageListHead.Flink = MmStandbyPageListHead.Blink = MiEndOfList;
    MmPfnDatabase = database;
    for (PFN_NUMBER frame = 0; frame < MiNextEarlyPage; frame++) {
        MiSetActive(frame);
    }
    // From the top down, so that the first page taken is the lowest.
    for (PFN_NUMBER frame = MmHighestPhysicalPage; frame >= MiNextEarlyPage; frame--) {
        if (MiIsMemory(MiPhysicalOf(frame))) {
            MiInsertPageInFreeList(frame);
        }
    }
}
