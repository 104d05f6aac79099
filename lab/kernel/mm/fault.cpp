// Page faults. Only paged pool has pages that may be absent. There is no disk behind it: what would lie in a page file
// stays in a frame that no page table names.
#include "mm.h"

constexpr ULONG_PTR MiFaultProtection = 0x1; // the page is there
constexpr ULONG_PTR MiFaultWrite = 0x2;
constexpr ULONG_PTR MiFaultExecute = 0x10;
constexpr ULONG MiPageFileSlots = 1024;

static PFN_NUMBER MiPageFile[MiPageFileSlots]; // slot 0 is never used: an offset of 0 means demand zero
static ULONG MiTrimHint;

// The frame behind an absent page, taken out of where it was; 0 when Pte describes none.
static PFN_NUMBER MiResolveAbsentPage(const MMPTE* Pte, BOOLEAN* Zero) {
    *Zero = FALSE;
    if (Pte->u.Soft.Prototype) {
        return 0;
    }
    if (Pte->u.Soft.Transition) {
        return Pte->u.Trans.PageFrameNumber;
    }
    if (Pte->u.Soft.PageFileHigh != 0 && Pte->u.Soft.PageFileHigh < MiPageFileSlots) {
        PFN_NUMBER frame = MiPageFile[Pte->u.Soft.PageFileHigh];
        MiPageFile[Pte->u.Soft.PageFileHigh] = 0;
        return frame;
    }
    if (Pte->u.Soft.Protection == MM_SOFT_READWRITE && Pte->u.Soft.PageFileHigh == 0) {
        *Zero = TRUE;
        MiPromisedPages--;
        return MiRemoveAnyPage();
    }
    return 0;
}

static BOOLEAN MiResolvePagedPoolFault(ULONG_PTR Address) {
    PVOID page = reinterpret_cast<PVOID>(Address & ~ULONG_PTR(PAGE_SIZE - 1));
    PMMPTE pte = MiFindPte(Address);
    if (pte == nullptr) {
        return FALSE;
    }
    if ((pte->u.Long & MM_PTE_VALID) != 0) {
        return TRUE; // another processor was here first
    }
    BOOLEAN zero;
    PFN_NUMBER frame = MiResolveAbsentPage(pte, &zero);
    if (frame == 0) {
        return FALSE;
    }
    MiMapPage(page, frame, MM_READWRITE);
    MmPfnDatabase[frame].u3.e1.PageLocation = ActiveAndValid;
    if (zero) {
        memset(page, 0, PAGE_SIZE);
    }
    return TRUE;
}

// STATUS_SUCCESS when the access can be tried again, else a status to raise. Faults on system addresses that nothing
// explains stop the machine here. Unlike NT this resolves paged pool at DISPATCH_LEVEL too: nothing needs a disk.
extern "C" NOINLINE NTSTATUS MmAccessFault(ULONG_PTR FaultCode, ULONG_PTR Address, PKTRAP_FRAME TrapFrame) {
    KeGetCurrentPrcb()->PageFaultCount++;
    if (KeGetCurrentIrql() <= DISPATCH_LEVEL && (FaultCode & MiFaultProtection) == 0 && MiIsPagedPoolAddress(Address)) {
        KIRQL irql = MiLock();
        BOOLEAN resolved = MiResolvePagedPoolFault(Address);
        MiUnlock(irql);
        if (resolved) {
            return STATUS_SUCCESS;
        }
    }
    if (static_cast<LONG_PTR>(Address) >= 0) {
        return STATUS_ACCESS_VIOLATION;
    }
    ULONG_PTR pc = TrapFrame != nullptr ? TRAP_TO_PROGRAM_COUNTER(TrapFrame) : 0;
    if (KeGetCurrentIrql() >= DISPATCH_LEVEL) {
        ULONG_PTR operation = (FaultCode & MiFaultExecute) != 0 ? 8 : (FaultCode & MiFaultWrite) != 0 ? 1 : 0;
        KeBugCheckEx(IRQL_NOT_LESS_OR_EQUAL, Address, KeGetCurrentIrql(), operation, pc);
    }
    KeBugCheckEx(PAGE_FAULT_IN_NONPAGED_AREA, Address, FaultCode, pc, 0);
}

// Writes a page out to the next free slot of the page file; FALSE when all are taken.
static BOOLEAN MiPageOut(PMMPTE Pte, PFN_NUMBER Frame) {
    for (ULONG slot = 1; slot < MiPageFileSlots; slot++) {
        if (MiPageFile[slot] == 0) {
            MiPageFile[slot] = Frame;
            *Pte = MiPageFilePte(slot);
            return TRUE;
        }
    }
    return FALSE;
}

extern "C" VOID MmTrimPagedPool(ULONG Pages) {
    ULONG region_pages = static_cast<ULONG>(MmSizeOfPagedPoolInBytes / PAGE_SIZE);
    KIRQL irql = MiLock();
    for (ULONG seen = 0; seen < region_pages && Pages != 0; seen++) {
        MiTrimHint = (MiTrimHint + 1) % region_pages;
        PUCHAR page = static_cast<PUCHAR>(MmPagedPoolStart) + SIZE_T(MiTrimHint) * PAGE_SIZE;
        PMMPTE pte = MiFindPte(reinterpret_cast<ULONG_PTR>(page));
        if (pte == nullptr || (pte->u.Long & MM_PTE_VALID) == 0) {
            continue;
        }
        PFN_NUMBER frame = MiFrameOf(pte);
        if (Pages % 2 == 0 || !MiPageOut(pte, frame)) {
            *pte = MiTransitionPte(frame);
            MmPfnDatabase[frame].u3.e1.PageLocation = StandbyPageList;
        }
        KiFlushPage(page);
        Pages--;
    }
    KeFlushOtherTbs();
    MiUnlock(irql);
}
