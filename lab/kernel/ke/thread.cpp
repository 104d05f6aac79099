// The scheduler: 32 priorities, round robin within one. With one processor, DISPATCH_LEVEL is the dispatcher lock.
#include "ke.h"

constexpr UCHAR ThreadObject = 6;

extern "C" {
PKTHREAD KiIdleThread;
}

extern "C" VOID KiInitializeScheduler(VOID) {
    PKPRCB prcb = KeGetCurrentPrcb();
    for (LIST_ENTRY& head : prcb->DispatcherReadyListHead) {
        InitializeListHead(&head);
    }
    for (auto& data : prcb->DpcData) {
        InitializeListHead(&data.DpcListHead);
    }
}

static VOID KiPrepareThread(PKTHREAD Thread, PKPROCESS Process, PVOID StackTop, PVOID StackLimit, KPRIORITY Priority) {
    Thread->Header.Type = ThreadObject;
    InitializeListHead(&Thread->Header.WaitListHead);
    InitializeListHead(&Thread->ApcState.ApcListHead[0]);
    InitializeListHead(&Thread->ApcState.ApcListHead[1]);
    Thread->ApcState.Process = Process;
    Thread->Process = Process;
    Thread->InitialStack = StackTop;
    Thread->StackBase = StackTop;
    Thread->StackLimit = StackLimit;
    Thread->KernelStackResident = TRUE;
    Thread->Priority = Thread->BasePriority = static_cast<CHAR>(Priority);
    Thread->Quantum = KiThreadQuantum;
    Thread->State = Initialized;
    KeInitializeTimer(&Thread->Timer);
    InsertTailList(&Process->ThreadListHead, &Thread->ThreadListEntry);
    Process->StackCount++;
}

// Prepares Thread so that its first switch enters SystemRoutine(StartRoutine, StartContext) at PASSIVE_LEVEL. Without a
// routine it describes the code that runs now (the idle thread).
extern "C" VOID KeInitializeThread(PKTHREAD Thread, PKPROCESS Process, PVOID StackTop, PVOID StackLimit,
                                   PVOID SystemRoutine, PVOID StartRoutine, PVOID StartContext, KPRIORITY Priority) {
    KiPrepareThread(Thread, Process, StackTop, StackLimit, Priority);
    if (SystemRoutine == nullptr) {
        Thread->State = Running;
        return;
    }
    KiInitializeContextThread(Thread, StackTop, SystemRoutine, StartRoutine, StartContext);
}

static PLIST_ENTRY KiReadyList(KPRIORITY Priority) {
    return &KeGetCurrentPrcb()->DispatcherReadyListHead[Priority];
}

static VOID KiInsertReady(PKTHREAD Thread) {
    Thread->State = Ready;
    Thread->ReadyTime = static_cast<ULONG>(KeTickCount);
    InsertTailList(KiReadyList(Thread->Priority), &Thread->WaitListEntry);
    KeGetCurrentPrcb()->ReadySummary |= 1u << Thread->Priority;
}

// The ready thread of highest priority, at least Lowest, taken off its list; null when there is none.
static PKTHREAD KiSelectReadyThread(KPRIORITY Lowest) {
    PKPRCB prcb = KeGetCurrentPrcb();
    for (KPRIORITY priority = KiHighestPriority; priority >= Lowest; priority--) {
        PLIST_ENTRY head = KiReadyList(priority);
        if (IsListEmpty(head)) {
            continue;
        }
        PKTHREAD thread = CONTAINING_RECORD(RemoveHeadList(head), KTHREAD, WaitListEntry);
        if (IsListEmpty(head)) {
            prcb->ReadySummary &= ~(1u << priority);
        }
        return thread;
    }
    return nullptr;
}

// From the current thread, whose new state is set, to Thread. Returns when the former runs again.
static VOID KiSwapThread(PKTHREAD Thread) {
    PKPRCB prcb = KeGetCurrentPrcb();
    PKTHREAD old = KeGetCurrentThread();
    prcb->NextThread = nullptr;
    prcb->ContextSwitchCount++;
    Thread->ContextSwitches++;
    Thread->State = Running;
    Thread->Quantum = KiThreadQuantum;
    if (Thread != old) {
        KiSwapContext(old, Thread);
    }
}

extern "C" VOID KiReadyThread(PKTHREAD Thread) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    PKPRCB prcb = KeGetCurrentPrcb();
    KiInsertReady(Thread);
    PKTHREAD current = KeGetCurrentThread();
    if (current != KiIdleThread && Thread->Priority > current->Priority) {
        prcb->NextThread = Thread; // a hint that somebody waits; KiQuantumEnd chooses
        HalRequestSoftwareInterrupt(DISPATCH_LEVEL);
    }
    KeLowerIrql(irql);
}

// Gives way to a ready thread of the same or higher priority, if there is one.
extern "C" NOINLINE VOID KiQuantumEnd(VOID) {
    PKPRCB prcb = KeGetCurrentPrcb();
    PKTHREAD current = KeGetCurrentThread();
    prcb->NextThread = nullptr;
    if (current == KiIdleThread) {
        return; // it looks for itself
    }
    PKTHREAD next = KiSelectReadyThread(current->Priority);
    current->Quantum = KiThreadQuantum;
    if (next != nullptr) {
        KiInsertReady(current);
        KiSwapThread(next);
    }
}

// The current thread, which is waiting or dead, gives the processor up. At DISPATCH_LEVEL.
static NOINLINE VOID KiCommitThreadWait(VOID) {
    PKTHREAD next = KiSelectReadyThread(KiLowestPriority);
    KiSwapThread(next != nullptr ? next : KiIdleThread);
}

extern "C" VOID KiUnwaitThread(PKTHREAD Thread, LONG_PTR WaitStatus) {
    if (Thread->State == Waiting) {
        Thread->WaitStatus = WaitStatus;
        KiReadyThread(Thread);
    }
}

extern "C" NTKERNELAPI NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN, PLARGE_INTEGER Interval) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    PKTHREAD thread = KeGetCurrentThread();
    thread->State = Waiting;
    thread->WaitMode = WaitMode;
    thread->WaitReason = DelayExecution;
    thread->WaitIrql = irql;
    thread->WaitTime = static_cast<ULONG>(KeTickCount);
    InsertTailList(&thread->Timer.Header.WaitListHead, &thread->WaitListEntry);
    KeSetTimerEx(&thread->Timer, *Interval, 0, nullptr);
    KiCommitThreadWait();
    KeLowerIrql(irql);
    return STATUS_SUCCESS;
}

extern "C" VOID KeSetPriorityThread(PKTHREAD Thread, KPRIORITY Priority) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    Thread->Priority = static_cast<CHAR>(Priority);
    KeGetCurrentPrcb()->QuantumEnd = TRUE;
    HalRequestSoftwareInterrupt(DISPATCH_LEVEL);
    KeLowerIrql(irql);
}

extern "C" DECLSPEC_NORETURN VOID KeTerminateThread(VOID) {
    KfRaiseIrql(DISPATCH_LEVEL);
    PKTHREAD thread = KeGetCurrentThread();
    thread->State = Terminated;
    RemoveEntryList(&thread->ThreadListEntry);
    thread->Process->StackCount--;
    KiCommitThreadWait();
    __builtin_trap();
}

// What runs when nothing else can, at DISPATCH_LEVEL on the boot stack.
extern "C" NOINLINE DECLSPEC_NORETURN VOID KiIdleLoop(VOID) {
    PKPRCB prcb = KeGetCurrentPrcb();
    for (;;) {
        KiEnableInterrupts();
        KiRetireDpcList(prcb);
        KeDisableInterrupts();
        if (!IsListEmpty(&prcb->DpcData[0].DpcListHead)) {
            continue;
        }
        PKTHREAD next = KiSelectReadyThread(KiLowestPriority);
        if (next != nullptr) {
            KiEnableInterrupts();
            KiSwapThread(next);
            continue;
        }
        __asm__ volatile("sti; hlt" : : : "memory");
    }
}
