// Address spaces of processes: an own lower half, the system's upper half, and a self map of their own.
#include "../mm.h"

constexpr ULONG MiEntriesPerTable = PAGE_SIZE / sizeof(MMPTE);
constexpr ULONG MiFirstSystemEntry = MiEntriesPerTable / 2;
constexpr ULONG_PTR MiUserSharedData = 0x7FFE0000;

// A page of another address space at the scratch window. The caller holds the lock.
static PMMPTE MiOpenFrame(PFN_NUMBER Frame) {
    MiGetPteAddress(MiScratchWindow)->u.Long = Frame << PAGE_SHIFT | MM_READWRITE;
    KiFlushPage(MiScratchWindow);
    return static_cast<PMMPTE>(MiScratchWindow);
}

// The top table of the current address space, through its self map.
static PMMPTE MiTopTable(VOID) {
    return MiGetPteAddress(MiGetPteAddress(MiGetPteAddress(MiGetPteAddress(ULONG_PTR(0)))));
}

INIT_FUNCTION VOID MiInitializeTables(VOID) {
    MmPteBase = MiCanonical(static_cast<ULONG_PTR>(LAB_SELFMAP_INDEX) << 39);
    MiTopTable()->u.Long = 0; // low memory
    KiWriteCr3(KiReadCr3());
}

// Address spaces have the entries of the top table in common, and a region lies behind one of them.
BOOLEAN MiShareTables(ULONG_PTR Base, ULONG) {
    return MiMakeTables(reinterpret_cast<PVOID>(Base));
}

extern "C" NTSTATUS MmCreateProcessAddressSpace(ULONG_PTR* DirectoryTableBase) {
    PFN_NUMBER root = MiRemoveAnyPage();
    if (root == 0) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    KIRQL irql = MiLock();
    PMMPTE own = MiTopTable();
    PMMPTE table = MiOpenFrame(root);
    memset(table, 0, PAGE_SIZE);
    for (ULONG i = MiFirstSystemEntry; i < MiEntriesPerTable; i++) {
        table[i] = own[i];
    }
    table[LAB_SELFMAP_INDEX].u.Long = root << PAGE_SHIFT | MM_TABLE | MM_PTE_NO_EXECUTE;
    MiUnlock(irql);
    *DirectoryTableBase = root << PAGE_SHIFT;
    return STATUS_SUCCESS;
}

// Maps Frame for user mode in an address space that is not the current one.
static NTSTATUS MiMapInSpace(ULONG_PTR DirectoryTableBase, ULONG_PTR Address, PFN_NUMBER Frame, ULONG64 Protection) {
    PFN_NUMBER table_frame = DirectoryTableBase >> PAGE_SHIFT;
    KIRQL irql = MiLock();
    for (ULONG shift = 39; shift > PAGE_SHIFT; shift -= 9) {
        PMMPTE entry = &MiOpenFrame(table_frame)[Address >> shift & (MiEntriesPerTable - 1)];
        if ((entry->u.Long & MM_PTE_VALID) != 0) {
            table_frame = MiFrameOf(entry);
            continue;
        }
        PFN_NUMBER next = MiRemoveAnyPage();
        if (next == 0) {
            MiUnlock(irql);
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        entry->u.Long = next << PAGE_SHIFT | MM_TABLE | MM_PTE_OWNER;
        memset(MiOpenFrame(next), 0, PAGE_SIZE);
        table_frame = next;
    }
    MiOpenFrame(table_frame)[Address >> PAGE_SHIFT & (MiEntriesPerTable - 1)].u.Long =
        Frame << PAGE_SHIFT | Protection | MM_PTE_OWNER;
    MiUnlock(irql);
    return STATUS_SUCCESS;
}

// An address space in which a page of low memory lies where it does physically, to be executed: paging can be switched
// on there. It stays.
extern "C" NTSTATUS MmCreateStartupAddressSpace(ULONG_PTR Page, ULONG_PTR* DirectoryTableBase) {
    NTSTATUS status = MmCreateProcessAddressSpace(DirectoryTableBase);
    return NT_SUCCESS(status) ? MiMapInSpace(*DirectoryTableBase, Page, Page >> PAGE_SHIFT, MM_EXECUTE_READ) : status;
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
    PFN_NUMBER frame = MmGetPhysicalAddress(reinterpret_cast<PVOID>(LAB_SHARED_DATA)) >> PAGE_SHIFT;
    return MiMapInSpace(DirectoryTableBase, MiUserSharedData, frame, MM_READONLY);
}
