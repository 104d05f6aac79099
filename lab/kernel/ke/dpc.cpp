// Deferred procedure calls: queued at any level, run at DISPATCH_LEVEL.
#include "ke.h"

constexpr UCHAR DpcObject = 19;
constexpr UCHAR MediumImportance = 1;

typedef struct _KDPC_DATA KDPC_DATA, *PKDPC_DATA;

extern "C" NTKERNELAPI VOID KeInitializeDpc(PKDPC Dpc, PKDEFERRED_ROUTINE DeferredRoutine, PVOID DeferredContext) {
    memset(Dpc, 0, sizeof(*Dpc));
    Dpc->Type = DpcObject;
    Dpc->Importance = MediumImportance;
    Dpc->DeferredRoutine = reinterpret_cast<PVOID>(DeferredRoutine);
    Dpc->DeferredContext = DeferredContext;
}

extern "C" NTKERNELAPI BOOLEAN KeInsertQueueDpc(PKDPC Dpc, PVOID SystemArgument1, PVOID SystemArgument2) {
    BOOLEAN enabled = KeDisableInterrupts();
    PKDPC_DATA data = &KeGetCurrentPrcb()->DpcData[0];
    BOOLEAN insert = Dpc->DpcData == nullptr;
    if (insert) {
        Dpc->DpcData = data;
        Dpc->SystemArgument1 = SystemArgument1;
        Dpc->SystemArgument2 = SystemArgument2;
        InsertTailList(&data->DpcListHead, &Dpc->DpcListEntry);
        data->DpcQueueDepth++;
        data->DpcCount++;
        HalRequestSoftwareInterrupt(DISPATCH_LEVEL);
    }
    KeRestoreInterrupts(enabled);
    return insert;
}

// Runs what is queued, with interrupts on while a routine runs. At DISPATCH_LEVEL.
extern "C" NOINLINE VOID KiRetireDpcList(PKPRCB Prcb) {
    PKDPC_DATA data = &Prcb->DpcData[0];
    for (;;) {
        BOOLEAN enabled = KeDisableInterrupts();
        if (IsListEmpty(&data->DpcListHead)) {
            KeRestoreInterrupts(enabled);
            return;
        }
        PKDPC dpc = CONTAINING_RECORD(RemoveHeadList(&data->DpcListHead), KDPC, DpcListEntry);
        data->DpcQueueDepth--;
        dpc->DpcData = nullptr;
        PKDEFERRED_ROUTINE routine = reinterpret_cast<PKDEFERRED_ROUTINE>(dpc->DeferredRoutine);
        PVOID context = dpc->DeferredContext, first = dpc->SystemArgument1, second = dpc->SystemArgument2;
        Prcb->DpcRoutineActive = TRUE;
        Prcb->DpcRoutine = dpc->DeferredRoutine;
        KeRestoreInterrupts(enabled);
        routine(dpc, context, first, second);
        Prcb->DpcRoutineActive = FALSE;
        Prcb->DpcRoutine = nullptr;
    }
}

// The software interrupt of DISPATCH_LEVEL: deferred calls, then the end of the running thread's quantum or a thread of
// higher priority.
extern "C" NOINLINE VOID KiDispatchInterrupt(VOID) {
    PKPRCB prcb = KeGetCurrentPrcb();
    KiRetireDpcList(prcb);
    if (prcb->QuantumEnd || prcb->NextThread != nullptr) {
        prcb->QuantumEnd = FALSE;
        KiQuantumEnd();
    }
}
