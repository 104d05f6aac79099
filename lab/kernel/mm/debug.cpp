// Memory for the debugger. Everything is looked up in the page tables first, so nothing here can fault.
#include "mm.h"

extern "C" BOOLEAN MmIsAddressValidForDebugger(ULONG64 Address) {
    MMPTE pte;
    ULONG64 physical;
    return MiTranslate(static_cast<ULONG_PTR>(Address), &pte, &physical);
}

extern "C" ULONG MmGetProtectionForDebugger(ULONG64 Address) {
    return MiQueryProtection(static_cast<ULONG_PTR>(Address));
}

extern "C" PVOID MiMapPhysicalForDebugger(ULONG64 PhysicalAddress) {
    if (!MiIsMemory(PhysicalAddress)) {
        return nullptr;
    }
    PMMPTE pte = MiGetPteAddress(MiDebugWindow);
    pte->u.Long = (static_cast<MMPTE_BITS>(PhysicalAddress) & MM_PTE_FRAME) | MM_READWRITE;
    KiFlushPage(MiDebugWindow);
    return static_cast<PUCHAR>(MiDebugWindow) + (PhysicalAddress & (PAGE_SIZE - 1));
}

// Where the debugger may touch the page of Address; null when it may not. Device memory is refused: reading it can
// change the machine.
static PVOID MiOpenForDebugger(ULONG64 Address, ULONG Flags) {
    ULONG64 physical = Address;
    if ((Flags & MMDBG_COPY_PHYSICAL) == 0) {
        MMPTE pte;
        if (!MiTranslate(static_cast<ULONG_PTR>(Address), &pte, &physical) ||
            (pte.u.Long & MM_PTE_CACHE_DISABLE) != 0) {
            return nullptr;
        }
        if ((Flags & MMDBG_COPY_WRITE) == 0) {
            return reinterpret_cast<PVOID>(static_cast<ULONG_PTR>(Address));
        }
    }
    return MiMapPhysicalForDebugger(physical);
}

extern "C" SIZE_T MmDbgCopyMemory(ULONG64 Address, PVOID Buffer, SIZE_T Length, ULONG Flags) {
    PUCHAR buffer = static_cast<PUCHAR>(Buffer);
    SIZE_T done = 0;
    while (done < Length) {
        SIZE_T piece = PAGE_SIZE - ((Address + done) & (PAGE_SIZE - 1));
        if (piece > Length - done) {
            piece = Length - done;
        }
        PVOID target = MiOpenForDebugger(Address + done, Flags);
        if (target == nullptr) {
            break;
        }
        if ((Flags & MMDBG_COPY_WRITE) != 0) {
            memcpy(target, buffer + done, piece);
        } else {
            memcpy(buffer + done, target, piece);
        }
        done += piece;
    }
    MiGetPteAddress(MiDebugWindow)->u.Long = 0;
    KiFlushPage(MiDebugWindow);
    return done;
}
