// Address spaces of processes: an own lower half, the system's upper half, and a self map of their own at C0000000. All
// page tables of system space exist from the start, so that every address space has them.
#include "../mm.h"

constexpr ULONG_PTR MiSelfMap = 0xC0000000;
constexpr ULONG_PTR MiSystemRangeStart = 0x80000000;
constexpr ULONG_PTR MiUserSharedData = 0x7FFE0000;
constexpr ULONG MiDirectoryShift = PAGE_SHIFT + MiBitsPerLevel;
constexpr ULONG MiEntriesPerTable = PAGE_SIZE / sizeof(MMPTE);
// Directories of an address space: one, or with PAE four, a gigabyte each.
constexpr ULONG MiDirectories = (1u << (32 - MiDirectoryShift)) / MiEntriesPerTable;

// The directory entry of Address in the current address space. Directories lie one behind the other in the self map.
static PMMPTE MiGetPdeAddress(ULONG_PTR Address) {
    return MiGetPteAddress(MiGetPteAddress(Address));
}

// A page of another address space at the scratch window. The caller holds the lock.
static PVOID MiOpenFrame(PFN_NUMBER Frame) {
    MiGetPteAddress(MiScratchWindow)->u.Long = MiFrameBits(Frame) | MM_READWRITE;
    KiFlushPage(MiScratchWindow);
    return MiScratchWindow;
}

INIT_FUNCTION VOID MiInitializeTables(VOID) {
    MmPteBase = MiSelfMap;
    for (PMMPTE pde = MiGetPdeAddress(ULONG_PTR(0)); pde < MiGetPdeAddress(MiSystemRangeStart); pde++) {
        pde->u.Long = 0; // low memory
    }
    KiWriteCr3(KiReadCr3());
}

BOOLEAN MiShareTables(ULONG_PTR Base, ULONG Pages) {
    for (ULONG page = 0; page < Pages; page += MiEntriesPerTable) {
        if (!MiMakeTables(reinterpret_cast<PVOID>(Base + page * PAGE_SIZE))) {
            return FALSE;
        }
    }
    return MiMakeTables(reinterpret_cast<PVOID>(Base + (Pages - 1) * PAGE_SIZE));
}

// Directory Number of a new address space, whose directories are Frames: what the system shares, and the self map.
static VOID MiFillDirectory(const PFN_NUMBER (&Frames)[MiDirectories], ULONG Number) {
    PMMPTE table = static_cast<PMMPTE>(MiOpenFrame(Frames[Number]));
    PMMPTE own = MiGetPdeAddress(ULONG_PTR(0)) + Number * MiEntriesPerTable;
    PMMPTE self = MiGetPdeAddress(MiSelfMap), system = MiGetPdeAddress(MiSystemRangeStart);
    for (ULONG i = 0; i < MiEntriesPerTable; i++) {
        table[i].u.Long = own + i >= system ? own[i].u.Long : 0;
        if (own + i >= self && own + i < self + MiDirectories) {
            table[i].u.Long = MiFrameBits(Frames[own + i - self]) | MM_TABLE | MM_PTE_NO_EXECUTE;
        }
    }
}

extern "C" NTSTATUS MmCreateProcessAddressSpace(ULONG_PTR* DirectoryTableBase) {
    PFN_NUMBER frames[MiDirectories];
    for (PFN_NUMBER& frame : frames) {
        frame = MiRemoveAnyPage();
        if (frame == 0) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
    }
    PFN_NUMBER root = frames[0];
    KIRQL irql = MiLock();
    for (ULONG i = 0; i < MiDirectories; i++) {
        MiFillDirectory(frames, i);
    }
#ifdef LAB_PAE
    root = MiRemoveAnyPage();
    if (root != 0) {
        ULONG64* pointers = static_cast<ULONG64*>(MiOpenFrame(root));
        memset(pointers, 0, PAGE_SIZE);
        for (ULONG i = 0; i < MiDirectories; i++) {
            pointers[i] = MiFrameBits(frames[i]) | MM_PTE_VALID; // the other bits are reserved here
        }
    }
#endif
    MiUnlock(irql);
    *DirectoryTableBase = root << PAGE_SHIFT;
    return root != 0 ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

// The directory of an address space that holds the entry of Address.
static PFN_NUMBER MiDirectoryOf(ULONG_PTR DirectoryTableBase, ULONG_PTR Address) {
    PFN_NUMBER root = DirectoryTableBase >> PAGE_SHIFT;
#ifdef LAB_PAE
    MMPTE pointer;
    pointer.u.Long = static_cast<ULONG64*>(MiOpenFrame(root))[Address >> 30];
    return MiFrameOf(&pointer);
#else
    UNREFERENCED_PARAMETER(Address);
    return root;
#endif
}

// Maps Frame for user mode in an address space that is not the current one.
static NTSTATUS MiMapInSpace(ULONG_PTR DirectoryTableBase, ULONG_PTR Address, PFN_NUMBER Frame, MMPTE_BITS Protection) {
    KIRQL irql = MiLock();
    PFN_NUMBER directory = MiDirectoryOf(DirectoryTableBase, Address);
    ULONG index = Address >> MiDirectoryShift & (MiEntriesPerTable - 1);
    MMPTE pde = static_cast<PMMPTE>(MiOpenFrame(directory))[index];
    if ((pde.u.Long & MM_PTE_VALID) == 0) {
        PFN_NUMBER table = MiRemoveAnyPage();
        if (table == 0) {
            MiUnlock(irql);
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        pde.u.Long = MiFrameBits(table) | MM_TABLE | MM_PTE_OWNER;
        static_cast<PMMPTE>(MiScratchWindow)[index] = pde;
        memset(MiOpenFrame(table), 0, PAGE_SIZE);
    }
    PMMPTE ptes = static_cast<PMMPTE>(MiOpenFrame(MiFrameOf(&pde)));
    ptes[Address >> PAGE_SHIFT & (MiEntriesPerTable - 1)].u.Long = MiFrameBits(Frame) | Protection | MM_PTE_OWNER;
    MiUnlock(irql);
    return STATUS_SUCCESS;
}

extern "C" NTSTATUS MmWriteProcessPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address, const VOID* Bytes,
                                       SIZE_T Length) {
    PFN_NUMBER frame = MiRemoveAnyPage();
    if (frame == 0 || Length > PAGE_SIZE) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KIRQL irql = MiLock();
    PVOID page = MiOpenFrame(frame);
    memset(page, 0, PAGE_SIZE);
    memcpy(page, Bytes, Length);
    MiUnlock(irql);
    return MiMapInSpace(DirectoryTableBase, Address, frame, MM_READWRITE);
}

extern "C" NTSTATUS MmShareUserData(ULONG_PTR DirectoryTableBase) {
    ULONG64 physical = MmGetPhysicalAddress(reinterpret_cast<PVOID>(LAB_SHARED_DATA));
    return MiMapInSpace(DirectoryTableBase, MiUserSharedData, static_cast<PFN_NUMBER>(physical >> PAGE_SHIFT),
                        MM_READONLY);
}
