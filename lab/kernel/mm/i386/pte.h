// Page table entries and where the self map shows them. Without PAE entries have 32 bits and tables two levels. With it
// entries have 64; the third level is four entries that the processor reads at a change of address space, and that the
// self map does not show.
#pragma once

#include "ki.h"

typedef ULONG_PTR PFN_NUMBER;

// Levels of tables that the self map shows, the bits of address that each resolves, and the first whose entries can map
// a large page.
constexpr int MiLevels = 2;
constexpr int MiFirstLargeLevel = 0;
#ifdef LAB_PAE
typedef ULONG64 MMPTE_BITS; // an entry as a number
constexpr ULONG MiBitsPerLevel = 9;
constexpr MMPTE_BITS MM_PTE_NO_EXECUTE = 1ull << 63;
constexpr MMPTE_BITS MM_PTE_FRAME = 0x0000003FFFFFF000;
#else
typedef ULONG MMPTE_BITS;
constexpr ULONG MiBitsPerLevel = 10;
constexpr MMPTE_BITS MM_PTE_NO_EXECUTE = 0;
constexpr MMPTE_BITS MM_PTE_FRAME = 0xFFFFF000;
#endif

// Bits of a valid page table entry.
constexpr MMPTE_BITS MM_PTE_VALID = 0x1;
constexpr MMPTE_BITS MM_PTE_WRITE = 0x2;
constexpr MMPTE_BITS MM_PTE_OWNER = 0x4;
constexpr MMPTE_BITS MM_PTE_WRITE_THROUGH = 0x8;
constexpr MMPTE_BITS MM_PTE_CACHE_DISABLE = 0x10;
constexpr MMPTE_BITS MM_PTE_ACCESSED_DIRTY = 0x60;
constexpr MMPTE_BITS MM_PTE_LARGE = 0x80;
constexpr MMPTE_BITS MM_PTE_SOFT_WRITE = 0x800;

constexpr MMPTE_BITS MM_READONLY = MM_PTE_VALID | MM_PTE_ACCESSED_DIRTY | MM_PTE_NO_EXECUTE;
constexpr MMPTE_BITS MM_READWRITE = MM_READONLY | MM_PTE_WRITE | MM_PTE_SOFT_WRITE;
constexpr MMPTE_BITS MM_EXECUTE_READ = MM_PTE_VALID | MM_PTE_ACCESSED_DIRTY;
constexpr MMPTE_BITS MM_TABLE = MM_EXECUTE_READ | MM_PTE_WRITE | MM_PTE_SOFT_WRITE;
constexpr MMPTE_BITS MM_NOCACHE = MM_PTE_CACHE_DISABLE | MM_PTE_WRITE_THROUGH;

// Protection field of an entry that is not valid: read and write.
constexpr ULONG MM_SOFT_READWRITE = 4;

inline ULONG_PTR MiCanonical(ULONG_PTR Address) {
    return Address;
}

// The entry that maps Address, as the self map shows it; applied again, the entry that maps that entry.
inline PMMPTE MiGetPteAddress(ULONG_PTR Address) {
    return reinterpret_cast<PMMPTE>(MmPteBase) + (Address >> PAGE_SHIFT);
}

inline PMMPTE MiGetPteAddress(const volatile VOID* Address) {
    return MiGetPteAddress(reinterpret_cast<ULONG_PTR>(Address));
}

inline PVOID MiGetVirtualAddressMappedByPte(const MMPTE* Pte) {
    return reinterpret_cast<PVOID>(static_cast<ULONG_PTR>(Pte - reinterpret_cast<PMMPTE>(MmPteBase)) << PAGE_SHIFT);
}

inline MMPTE_BITS MiFrameBits(PFN_NUMBER Frame) {
    return static_cast<MMPTE_BITS>(Frame) << PAGE_SHIFT;
}

inline ULONG64 MiPhysicalOf(PFN_NUMBER Frame) {
    return static_cast<ULONG64>(Frame) << PAGE_SHIFT;
}

// Entries of pages that are not there: in transition, and in slot Slot of the page file.
inline MMPTE MiTransitionPte(PFN_NUMBER Frame) {
    MMPTE pte = {};
    pte.u.Trans.Transition = 1;
    pte.u.Trans.Protection = MM_SOFT_READWRITE;
    pte.u.Trans.PageFrameNumber = Frame;
    return pte;
}

inline MMPTE MiPageFilePte(ULONG Slot) {
    MMPTE pte = {};
    pte.u.Soft.Protection = MM_SOFT_READWRITE;
    pte.u.Soft.PageFileHigh = Slot;
    return pte;
}

inline PFN_NUMBER MiFrameOf(const MMPTE* Pte) {
    return static_cast<PFN_NUMBER>((Pte->u.Long & MM_PTE_FRAME) >> PAGE_SHIFT);
}
