// Page tables, reached through the self map: one entry of the top table points at that table, so that all tables appear
// as an array of entries at MmPteBase.
#include "mm.h"

// The entries that map Address, from the top table's down to the last.
static VOID MiGetEntries(ULONG_PTR Address, PMMPTE (&Entries)[MiLevels]) {
    PMMPTE entry = MiGetPteAddress(Address);
    for (int level = MiLevels - 1; level >= 0; level--) {
        Entries[level] = entry;
        entry = MiGetPteAddress(entry);
    }
}

PMMPTE MiFindPte(ULONG_PTR Address) {
    if (MiCanonical(Address) != Address) {
        return nullptr;
    }
    PMMPTE entries[MiLevels];
    MiGetEntries(Address, entries);
    for (int level = 0; level < MiLevels - 1; level++) {
        if ((entries[level]->u.Long & (MM_PTE_VALID | MM_PTE_LARGE)) != MM_PTE_VALID) {
            return nullptr;
        }
    }
    return entries[MiLevels - 1];
}

// What an entry of a level maps is so many bits of address wide.
static constexpr ULONG MiShiftOf(int Level) {
    return PAGE_SHIFT + static_cast<ULONG>(MiLevels - 1 - Level) * MiBitsPerLevel;
}

static BOOLEAN MiMapsPage(int Level, MMPTE Entry) {
    return Level == MiLevels - 1 || (Level >= MiFirstLargeLevel && (Entry.u.Long & MM_PTE_LARGE) != 0);
}

BOOLEAN MiTranslate(ULONG_PTR Address, MMPTE* Pte, ULONG64* Physical) {
    if (MiCanonical(Address) != Address) {
        return FALSE;
    }
    PMMPTE entries[MiLevels];
    MiGetEntries(Address, entries);
    for (int level = 0; level < MiLevels; level++) {
        MMPTE entry = *entries[level];
        if ((entry.u.Long & MM_PTE_VALID) == 0) {
            return FALSE;
        }
        if (MiMapsPage(level, entry)) {
            ULONG64 mask = (1ull << MiShiftOf(level)) - 1;
            *Pte = entry;
            *Physical = (entry.u.Long & MM_PTE_FRAME & ~mask) | (Address & mask);
            return TRUE;
        }
    }
    return FALSE;
}

ULONG MiQueryProtection(ULONG_PTR Address) {
    if (MiCanonical(Address) != Address) {
        return 0;
    }
    PMMPTE entries[MiLevels];
    MiGetEntries(Address, entries);
    ULONG protection = 7;
    for (int level = 0; level < MiLevels; level++) {
        MMPTE entry = *entries[level];
        if ((entry.u.Long & MM_PTE_VALID) == 0) {
            return 0;
        }
        if ((entry.u.Long & MM_PTE_WRITE) == 0) {
            protection &= ~2u;
        }
        if ((entry.u.Long & MM_PTE_NO_EXECUTE) != 0) {
            protection &= ~4u;
        }
        if (MiMapsPage(level, entry)) {
            break;
        }
    }
    return protection;
}

BOOLEAN MiMakeTables(PVOID Address) {
    PMMPTE entries[MiLevels];
    MiGetEntries(reinterpret_cast<ULONG_PTR>(Address), entries);
    for (int level = 0; level < MiLevels - 1; level++) {
        if ((entries[level]->u.Long & MM_PTE_VALID) != 0) {
            continue;
        }
        PFN_NUMBER frame = MiRemoveAnyPage();
        if (frame == 0) {
            return FALSE;
        }
        entries[level]->u.Long = MiFrameBits(frame) | MM_TABLE;
        PVOID table =
            reinterpret_cast<PVOID>(reinterpret_cast<ULONG_PTR>(entries[level + 1]) & ~ULONG_PTR(PAGE_SIZE - 1));
        KiFlushPage(table);
        memset(table, 0, PAGE_SIZE);
        if (MmPfnDatabase != nullptr) {
            MmPfnDatabase[frame].PteAddress = entries[level];
        }
    }
    return TRUE;
}

BOOLEAN MiMapPage(PVOID Address, PFN_NUMBER Frame, MMPTE_BITS Protection) {
    if (!MiMakeTables(Address)) {
        return FALSE;
    }
    PMMPTE pte = MiGetPteAddress(Address);
    pte->u.Long = MiFrameBits(Frame) | Protection;
    KiFlushPage(Address);
    if (MmPfnDatabase != nullptr && MiIsMemory(MiPhysicalOf(Frame)) && MmPfnDatabase[Frame].PteAddress == nullptr) {
        MmPfnDatabase[Frame].PteAddress = pte;
    }
    return TRUE;
}

BOOLEAN MiMapNewPages(PVOID Address, SIZE_T Pages, MMPTE_BITS Protection) {
    PUCHAR address = static_cast<PUCHAR>(Address);
    for (SIZE_T i = 0; i < Pages; i++) {
        PFN_NUMBER frame = MiRemoveAnyPage();
        if (frame == 0 || !MiMapPage(address + i * PAGE_SIZE, frame, Protection)) {
            if (frame != 0) {
                MiInsertPageInFreeList(frame);
            }
            MiUnmapPages(Address, i, TRUE);
            return FALSE;
        }
    }
    return TRUE;
}

VOID MiUnmapPages(PVOID Address, SIZE_T Pages, BOOLEAN Free) {
    // First no processor can reach the pages any more, then they are given to others.
    constexpr MMPTE_BITS going = MM_PTE_ACCESSED_DIRTY;
    KIRQL irql = MiLock();
    PUCHAR address = static_cast<PUCHAR>(Address);
    BOOLEAN any = FALSE;
    for (SIZE_T i = 0; i < Pages; i++) {
        PMMPTE pte = MiFindPte(reinterpret_cast<ULONG_PTR>(address + i * PAGE_SIZE));
        if (pte != nullptr) {
            BOOLEAN valid = (pte->u.Long & MM_PTE_VALID) != 0;
            pte->u.Long = valid ? (pte->u.Long & MM_PTE_FRAME) | going : 0;
            any |= valid;
            KiFlushPage(address + i * PAGE_SIZE);
        }
    }
    if (any) {
        KeFlushOtherTbs();
    }
    for (SIZE_T i = 0; i < Pages; i++) {
        PMMPTE pte = MiFindPte(reinterpret_cast<ULONG_PTR>(address + i * PAGE_SIZE));
        if (pte != nullptr && pte->u.Long != 0) {
            PFN_NUMBER frame = MiFrameOf(pte);
            pte->u.Long = 0;
            if (Free) {
                MiInsertPageInFreeList(frame);
            }
        }
    }
    MiUnlock(irql);
}

VOID MiProtectPages(PVOID Address, SIZE_T Pages, MMPTE_BITS Protection) {
    PUCHAR address = static_cast<PUCHAR>(Address);
    for (SIZE_T i = 0; i < Pages; i++, address += PAGE_SIZE) {
        PMMPTE pte = MiFindPte(reinterpret_cast<ULONG_PTR>(address));
        if (pte != nullptr && (pte->u.Long & MM_PTE_VALID) != 0) {
            pte->u.Long = (pte->u.Long & MM_PTE_FRAME) | Protection;
            KiFlushPage(address);
        }
    }
    KeFlushOtherTbs();
}

extern "C" ULONG64 MmGetPhysicalAddress(const VOID* Address) {
    ULONG_PTR address = reinterpret_cast<ULONG_PTR>(Address);
    PMMPTE pte = MiFindPte(address);
    if (pte == nullptr || (pte->u.Long & MM_PTE_VALID) == 0) {
        return 0;
    }
    return (pte->u.Long & MM_PTE_FRAME) | (address & (PAGE_SIZE - 1));
}
