// Page table entries and where the self map shows them.
#pragma once

#include "ki.h"

typedef ULONG64 PFN_NUMBER;

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

inline PFN_NUMBER MiFrameOf(const MMPTE* Pte) {
    return (Pte->u.Long & MM_PTE_FRAME) >> PAGE_SHIFT;
}
