// Interrupt request levels and spin locks. A lock word shows a debugger who holds the lock: the thread, with bit 0 set.
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

static ULONG_PTR KiLockHolder(VOID) {
    return reinterpret_cast<ULONG_PTR>(KeGetCurrentThread()) | 1;
}

extern "C" BOOLEAN KxTryToAcquireSpinLock(PKSPIN_LOCK SpinLock) {
    ULONG_PTR nobody = 0;
    return __atomic_compare_exchange_n(SpinLock, &nobody, KiLockHolder(), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

extern "C" VOID KxAcquireSpinLock(PKSPIN_LOCK SpinLock) {
    while (!KxTryToAcquireSpinLock(SpinLock)) {
        if (__atomic_load_n(SpinLock, __ATOMIC_RELAXED) == KiLockHolder()) {
            KeBugCheckEx(SPIN_LOCK_ALREADY_OWNED, reinterpret_cast<ULONG_PTR>(SpinLock), *SpinLock, 0, 0);
        }
        KiSpinWait();
    }
}

extern "C" VOID KxReleaseSpinLock(PKSPIN_LOCK SpinLock) {
    __atomic_store_n(SpinLock, ULONG_PTR(0), __ATOMIC_RELEASE);
}

extern "C" NTKERNELAPI KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK SpinLock) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    KxAcquireSpinLock(SpinLock);
    return irql;
}

extern "C" NTKERNELAPI VOID KeReleaseSpinLock(PKSPIN_LOCK SpinLock, KIRQL NewIrql) {
    KxReleaseSpinLock(SpinLock);
    KeLowerIrql(NewIrql);
}
