// Page table entries and where the self map shows them.
#pragma once

#include "ki.h"

typedef ULONG64 PFN_NUMBER;
typedef ULONG64 MMPTE_BITS; // an entry as a number

// Levels of tables that the self map shows, the bits of address that each resolves, and the first whose entries can map
// a large page.
constexpr int MiLevels = 4;
constexpr ULONG MiBitsPerLevel = 9;
constexpr int MiFirstLargeLevel = 1;

// Bits of a valid page table entry.
constexpr ULONG64 MM_PTE_VALID = 0x1;
constexpr ULONG64 MM_PTE_WRITE = 0x2;
constexpr ULONG64 MM_PTE_OWNER = 0x4;
constexpr ULONG64 MM_PTE_WRITE_THROUGH = 0x8;
constexpr ULONG64 MM_PTE_CACHE_DISABLE = 0x10;
constexpr ULONG64 MM_PTE_ACCESSED_DIRTY = 0x60;
constexpr ULONG64 MM_PTE_LARGE = 0x80;
constexpr ULONG64 MM_PTE_SOFT_WRITE = 0x800;
constexpr ULONG64 MM_PTE_NO_EXECUTE = 1ull << 63;
constexpr ULONG64 MM_PTE_FRAME = 0x0000FFFFFFFFF000;

constexpr ULONG64 MM_READONLY = MM_PTE_VALID | MM_PTE_ACCESSED_DIRTY | MM_PTE_NO_EXECUTE;
constexpr ULONG64 MM_READWRITE = MM_READONLY | MM_PTE_WRITE | MM_PTE_SOFT_WRITE;
constexpr ULONG64 MM_EXECUTE_READ = MM_PTE_VALID | MM_PTE_ACCESSED_DIRTY;
constexpr ULONG64 MM_TABLE = MM_EXECUTE_READ | MM_PTE_WRITE | MM_PTE_SOFT_WRITE;
constexpr ULONG64 MM_NOCACHE = MM_PTE_CACHE_DISABLE | MM_PTE_WRITE_THROUGH;

// Protection field of an entry that is not valid: read and write.
constexpr ULONG MM_SOFT_READWRITE = 4;

inline ULONG_PTR MiCanonical(ULONG_PTR Address) {
    return static_cast<ULONG_PTR>(static_cast<LONG_PTR>(Address << 16) >> 16);
}

// The entry that maps Address, as the self map shows it; applied again, the entry that maps that entry.
inline PMMPTE MiGetPteAddress(ULONG_PTR Address) {
    return reinterpret_cast<PMMPTE>(MmPteBase + ((Address >> 9) & 0x7FFFFFFFF8));
}

inline PMMPTE MiGetPteAddress(const volatile VOID* Address) {
    return MiGetPteAddress(reinterpret_cast<ULONG_PTR>(Address));
}

inline PVOID MiGetVirtualAddressMappedByPte(const MMPTE* Pte) {
    return reinterpret_cast<PVOID>(MiCanonical((reinterpret_cast<ULONG_PTR>(Pte) - MmPteBase) << 9));
}

inline MMPTE_BITS MiFrameBits(PFN_NUMBER Frame) {
    return Frame << PAGE_SHIFT;
}

inline ULONG64 MiPhysicalOf(PFN_NUMBER Frame) {
    return Frame << PAGE_SHIFT;
}

// Entries of pages that are not there: in transition, and in slot Slot of the page file. "Not swizzled" means that the
// bits are as they read.
inline MMPTE MiTransitionPte(PFN_NUMBER Frame) {
    MMPTE pte = {};
    pte.u.Trans.Transition = 1;
    pte.u.Trans.SwizzleBit = 1;
    pte.u.Trans.Protection = MM_SOFT_READWRITE;
    pte.u.Trans.PageFrameNumber = Frame;
    return pte;
}

inline MMPTE MiPageFilePte(ULONG Slot) {
    MMPTE pte = {};
    pte.u.Soft.Protection = MM_SOFT_READWRITE;
    pte.u.Soft.SwizzleBit = 1;
    pte.u.Soft.PageFileHigh = Slot;
    return pte;
}

inline PFN_NUMBER MiFrameOf(const MMPTE* Pte) {
    return (Pte->u.Long & MM_PTE_FRAME) >> PAGE_SHIFT;
}
