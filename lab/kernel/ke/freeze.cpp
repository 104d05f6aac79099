// While one processor is in the debugger, the others stand still. A non-maskable interrupt makes them: it comes in
// whatever they do. What they were at is in their ProcessorState then, where the debugger reads and changes it. The
// debugger may go over to one of them (KD's SwitchProcessor); that one then talks to it in the owner's place until it
// is told to go on, whereupon the owner is back.
#include "ke.h"

// KPRCB.IpiFrozen
constexpr ULONG FrozenRunning = 0;
constexpr ULONG FrozenStanding = 2;
constexpr ULONG FrozenThaw = 3;
constexpr ULONG FrozenOwner = 4;
constexpr ULONG FrozenTarget = 5; // is to freeze
constexpr ULONG FrozenActive = 0x20;

static PKPRCB KiFreezeOwner;

static VOID KiSetFrozen(PKPRCB Prcb, ULONG State) {
    __atomic_store_n(&Prcb->IpiFrozen, State, __ATOMIC_SEQ_CST);
}

static ULONG KiGetFrozen(PKPRCB Prcb) {
    return __atomic_load_n(&Prcb->IpiFrozen, __ATOMIC_SEQ_CST);
}

static VOID KiWaitForFrozen(PKPRCB Prcb, ULONG State) {
    while (KiGetFrozen(Prcb) != State) {
        KiPause();
    }
}

// The debugger may make its own processor stop once more: by asking for a bug check.
static BOOLEAN KiIsInDebugger(VOID) {
    return (KiGetFrozen(KeGetCurrentPrcb()) & FrozenActive) != 0;
}

extern "C" BOOLEAN KeFreezeExecution(VOID) {
    if (KiIsInDebugger()) {
        return FALSE;
    }
    while (!KxTryToAcquireSpinLock(&KdpDebuggerLock)) {
        KiSpinWait(); // here the other processor's debugger makes this one stand
    }
    KiFreezeOwner = KeGetCurrentPrcb();
    KiSetFrozen(KiFreezeOwner, FrozenOwner | FrozenActive);
    for (ULONG i = 0; i < KeNumberProcessors; i++) {
        PKPRCB prcb = KiProcessorBlock[i];
        if (prcb != KiFreezeOwner) {
            KiSetFrozen(prcb, FrozenTarget);
            HalRequestNmi(i);
            KiWaitForFrozen(prcb, FrozenStanding);
        }
    }
    return TRUE;
}

extern "C" VOID KeThawExecution(VOID) {
    for (ULONG i = 0; i < KeNumberProcessors; i++) {
        PKPRCB prcb = KiProcessorBlock[i];
        if (prcb != KiFreezeOwner) {
            KiSetFrozen(prcb, FrozenThaw);
            HalRequestIpi(i, KdpWakeVector);
            KiWaitForFrozen(prcb, FrozenRunning);
        }
    }
    KiSetFrozen(KiFreezeOwner, FrozenRunning);
    KxReleaseSpinLock(&KdpDebuggerLock);
}

// Makes Other the one that talks to the debugger; the current processor only stands from now on.
static VOID KiActivate(PKPRCB Current, PKPRCB Other) {
    KiSetFrozen(Current, KiGetFrozen(Current) & ~FrozenActive);
    KiSetFrozen(Other, KiGetFrozen(Other) | FrozenActive);
    HalRequestIpi(Other->Number, KdpWakeVector);
}

extern "C" VOID KeSwitchFrozenProcessor(ULONG Processor) {
    PKPRCB prcb = KeGetCurrentPrcb();
    KiActivate(prcb, KiProcessorBlock[Processor]);
    KdpSleepWhile(&prcb->IpiFrozen, FrozenOwner);
}

// From the non-maskable interrupt. FALSE when nobody froze this processor.
extern "C" NOINLINE BOOLEAN KiFreezeTargetExecution(PKTRAP_FRAME TrapFrame, PKEXCEPTION_FRAME ExceptionFrame) {
    PKPRCB prcb = KeGetCurrentPrcb();
    if (KiGetFrozen(prcb) != FrozenTarget) {
        return FALSE;
    }
    KSPECIAL_REGISTERS* special = &prcb->ProcessorState.SpecialRegisters;
    CONTEXT* context = &prcb->ProcessorState.ContextFrame;
    prcb->DebuggerSavedIRQL = KeGetCurrentIrql();
    KiSaveSpecial(special);
    KeContextFromKframes(TrapFrame, ExceptionFrame, context);
    KiSetFrozen(prcb, FrozenStanding);
    for (ULONG state = FrozenStanding; state != FrozenThaw; state = KiGetFrozen(prcb)) {
        if ((state & FrozenActive) != 0) {
            ULONG next = KdpReportFrozen(context);
            KiActivate(prcb, next < KeNumberProcessors ? KiProcessorBlock[next] : KiFreezeOwner);
        }
        KdpSleepWhile(&prcb->IpiFrozen, FrozenStanding);
    }
    KiRestoreSpecial(special);
    KeContextToKframes(TrapFrame, ExceptionFrame, context);
    KiSetFrozen(prcb, FrozenRunning);
    return TRUE;
}
