// Interrupt request levels and spin locks. With one processor, raising the level is the lock; the lock word is kept all
// the same, so that a debugger sees who holds it.
#include "ke.h"

extern "C" NTKERNELAPI ULONG KeGetCurrentProcessorNumber(VOID) {
    return KeGetCurrentPrcb()->Number;
}

extern "C" BOOLEAN KeDisableInterrupts(VOID) {
    BOOLEAN enabled = (KiReadFlags() & EFLAGS_IF) != 0;
    __asm__ volatile("cli" : : : "memory");
    return enabled;
}

extern "C" VOID KeRestoreInterrupts(BOOLEAN Enable) {
    if (Enable) {
        KiEnableInterrupts();
    }
}

extern "C" NTKERNELAPI KIRQL KeGetCurrentIrql(VOID) {
    return KiReadIrql();
}

extern "C" NTKERNELAPI KIRQL FASTCALL KfRaiseIrql(KIRQL NewIrql) {
    KIRQL old = KiReadIrql();
    if (NewIrql < old) {
        KeBugCheckEx(IRQL_NOT_GREATER_OR_EQUAL, old, NewIrql, 0, 0);
    }
    KiWriteIrql(NewIrql);
    return old;
}

extern "C" NTKERNELAPI VOID KeLowerIrql(KIRQL NewIrql) {
    if (NewIrql > KiReadIrql()) {
        KeBugCheckEx(IRQL_NOT_LESS_OR_EQUAL, KiReadIrql(), NewIrql, 0, 0);
    }
    KiWriteIrql(NewIrql);
}

extern "C" NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    if (*SpinLock != 0) {
        KeBugCheckEx(SPIN_LOCK_ALREADY_OWNED, reinterpret_cast<ULONG_PTR>(SpinLock), *SpinLock, 0, 0);
    }
    *SpinLock = reinterpret_cast<ULONG_PTR>(KeGetCurrentThread()) | 1;
    return irql;
}

extern "C" NTKERNELAPI VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql) {
    *SpinLock = 0;
    KeLowerIrql(NewIrql);
}
