// Private declarations of the memory manager (mm/):
//   init.cpp    order of start, memory runs          pfn.cpp      page frames and the free list
//   region.cpp  page-wise address space by bitmap    pool.cpp     pages for the pool
//   fault.cpp   page faults, trimming                system.cpp   stacks, device and contiguous memory
//   debug.cpp   what the debugger uses               image.cpp    loading and unloading of images
//   map.cpp     tables through the self map
//   amd64/, i386/   page table entries, the top of the tables, address spaces of processes
#pragma once

#include "../ke/ke.h"
#ifdef _M_IX86
#include "i386/pte.h"
#else
#include "amd64/pte.h"
#endif

typedef struct _MMPFNLIST MMPFNLIST;
typedef struct _RTL_BITMAP RTL_BITMAP;

// Where a page is (_MMPFN.u3.e1.PageLocation).
enum {
    ZeroedPageList,
    FreePageList,
    StandbyPageList,
    ModifiedPageList,
    ModifiedNoWritePageList,
    BadPageList,
    ActiveAndValid
};

inline SIZE_T MiPagesFor(SIZE_T Bytes) {
    return (Bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

// Address space handed out in pages. Allocation has a bit for each page in use, EndOfAllocation one for each last page.
struct MI_REGION {
    ULONG_PTR Base;
    ULONG Pages;
    ULONG Hint; // where the next search begins
    RTL_BITMAP* Allocation;
    RTL_BITMAP* EndOfAllocation;
};

extern "C" {
extern MMPFNLIST MmFreePageListHead;
extern ULONG_PTR MmAvailablePages;
extern MI_REGION MiSystemPteRegion;
extern MI_REGION MiDriverRegion;
extern SIZE_T MmAllocatedNonPagedPool;
extern SIZE_T MmSizeOfPagedPoolInBytes;
extern ULONG_PTR MmNumberOfPhysicalPages, MmLowestPhysicalPage, MmHighestPhysicalPage;
extern PVOID MiDebugWindow;   // one page of address space for the debugger's look at physical memory
extern PVOID MiScratchWindow; // and one for the memory manager itself
}

// The lock of the page tables and lists, at DISPATCH_LEVEL or above. Its holder may take it again.
KIRQL MiLock(VOID);
VOID MiUnlock(KIRQL Irql);

// pfn.cpp
VOID MiInitializePfnDatabase(PFN_NUMBER FirstFree);
PFN_NUMBER MiRemoveAnyPage(VOID); // 0 when memory is used up
VOID MiInsertPageInFreeList(PFN_NUMBER Frame);
BOOLEAN MiIsMemory(ULONG64 PhysicalAddress);

// map.cpp
// Maps a page, making the tables on the way. FALSE when there is no page for a table.
BOOLEAN MiMapPage(PVOID Address, PFN_NUMBER Frame, MMPTE_BITS Protection);
BOOLEAN MiMakeTables(PVOID Address); // the tables only; the entry itself stays as it is
BOOLEAN MiMapNewPages(PVOID Address, SIZE_T Pages, MMPTE_BITS Protection); // all or none
// Removes mappings; with Free the pages go back too. Entries that map nothing are cleared.
VOID MiUnmapPages(PVOID Address, SIZE_T Pages, BOOLEAN Free);
VOID MiProtectPages(PVOID Address, SIZE_T Pages, MMPTE_BITS Protection);
// The last-level entry of Address, or null when a table is missing or a large page maps it.
PMMPTE MiFindPte(ULONG_PTR Address);
// The physical address of Address and the entry that says how it may be used; FALSE when it is not mapped. Cannot
// fault.
BOOLEAN MiTranslate(ULONG_PTR Address, MMPTE* Pte, ULONG64* Physical);
ULONG MiQueryProtection(ULONG_PTR Address); // 1 read, 2 write, 4 execute; 0 when it is not mapped

// amd64/space.cpp, i386/space.cpp
// Finds the self map that the loader made and takes away the loader's way in: low memory mapped where it lies.
VOID MiInitializeTables(VOID);
// Makes the tables of a region of system space so far that what is mapped there later shows in every address space.
// FALSE when there is no page for a table.
BOOLEAN MiShareTables(ULONG_PTR Base, ULONG Pages);

// region.cpp
VOID MiInitializeRegion(MI_REGION* Region, ULONG_PTR Base, ULONG Pages, RTL_BITMAP* Allocation, RTL_BITMAP* End,
                        PULONG Bits);
PVOID MiAllocateRegion(MI_REGION* Region, SIZE_T Pages);
SIZE_T MiFreeRegion(MI_REGION* Region, PVOID Base); // returns the pages of the allocation, 0 when there is none

// pool.cpp, system.cpp
VOID MiInitializePoolRegions(VOID);
VOID MiInitializeSystemRegions(VOID);
BOOLEAN MiIsPagedPoolAddress(ULONG_PTR Address);
// Pages promised to paged pool but not taken yet.
extern SIZE_T MiPromisedPages;

extern "C" {
PVOID MmCreateKernelStack(PVOID* StackLimit); // returns the top
VOID MmDeleteKernelStack(PVOID StackTop);
PVOID MiReserveSystemPtes(SIZE_T Pages);
VOID MiReleaseSystemPtes(PVOID Base);
NTSTATUS MmCreateProcessAddressSpace(ULONG_PTR* DirectoryTableBase);
// A private page of a process at Address with these bytes at its start.
NTSTATUS MmWriteProcessPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address, const VOID* Bytes, SIZE_T Length);
NTSTATUS MmShareUserData(ULONG_PTR DirectoryTableBase);
VOID MmTrimPagedPool(ULONG Pages); // makes pages not present, by turns in transition and "in the page file"
VOID MiFreeDiscardableSections(PKLDR_DATA_TABLE_ENTRY Entry);
}
