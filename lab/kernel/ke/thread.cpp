// The scheduler: 32 priorities, round robin within one. A thread that is ready is on a list of the processor on which
// it is to run (NextProcessor), and only that one takes it from there. After a wait it is the next processor's turn, so
// that threads come about. A thread whose registers are not yet all saved on its old processor is SwapBusy, and passed
// over.
#include "ke.h"

constexpr UCHAR ThreadObject = 6;

extern "C" {
KSPIN_LOCK KiDispatcherLock;
}

static volatile BOOLEAN KiScheduling;

extern "C" VOID KiInitializeScheduler(PKPRCB Prcb) {
    for (LIST_ENTRY& head : Prcb->DispatcherReadyListHead) {
        InitializeListHead(&head);
    }
    for (auto& data : Prcb->DpcData) {
        InitializeListHead(&data.DpcListHead);
    }
}

static VOID KiRequestDispatch(PKPRCB Prcb) {
    if (Prcb == KeGetCurrentPrcb()) {
        HalRequestSoftwareInterrupt(DISPATCH_LEVEL);
    } else {
        HalRequestIpi(Prcb->Number, KiSoftwareVector(DISPATCH_LEVEL));
    }
}

extern "C" VOID KiStartScheduling(VOID) {
    KiScheduling = TRUE;
    for (ULONG i = 1; i < KeNumberProcessors; i++) {
        KiRequestDispatch(KiProcessorBlock[i]);
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
    KxAcquireSpinLock(&KiDispatcherLock);
    InsertTailList(&Process->ThreadListHead, &Thread->ThreadListEntry);
    Process->StackCount++;
    KxReleaseSpinLock(&KiDispatcherLock);
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

static PKPRCB KiProcessorOf(PKTHREAD Thread) {
    return KiProcessorBlock[Thread->NextProcessor];
}

static VOID KiInsertReady(PKTHREAD Thread) {
    PKPRCB prcb = KiProcessorOf(Thread);
    KxAcquireSpinLock(&KiDispatcherLock);
    Thread->State = Ready;
    Thread->ReadyTime = static_cast<ULONG>(KeTickCount);
    KPRIORITY priority = Thread->Priority;
    InsertTailList(&prcb->DispatcherReadyListHead[priority], &Thread->WaitListEntry);
    prcb->ReadySummary |= 1u << priority;
    KxReleaseSpinLock(&KiDispatcherLock);
}

// The current processor's ready thread of highest priority, at least Lowest, taken off its list; null when there is
// none.
static PKTHREAD KiSelectReadyThread(KPRIORITY Lowest) {
    PKPRCB prcb = KeGetCurrentPrcb();
    PKTHREAD thread = nullptr;
    if (prcb->Number != 0 && !KiScheduling) {
        return nullptr;
    }
    KxAcquireSpinLock(&KiDispatcherLock);
    for (KPRIORITY priority = KiHighestPriority; priority >= Lowest && thread == nullptr; priority--) {
        PLIST_ENTRY head = &prcb->DispatcherReadyListHead[priority];
        if (IsListEmpty(head)) {
            continue;
        }
        PKTHREAD first = CONTAINING_RECORD(head->Flink, KTHREAD, WaitListEntry);
        if (first->SwapBusy && first != prcb->CurrentThread) {
            continue;
        }
        thread = first;
        RemoveEntryList(&thread->WaitListEntry);
        if (IsListEmpty(head)) {
            prcb->ReadySummary &= ~(1u << priority);
        }
    }
    KxReleaseSpinLock(&KiDispatcherLock);
    return thread;
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
    } else {
        old->SwapBusy = FALSE;
    }
}

extern "C" VOID KiReadyThread(PKTHREAD Thread) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    PKPRCB prcb = KiProcessorOf(Thread);
    KiInsertReady(Thread);
    PKTHREAD current = prcb->CurrentThread;
    if (current == prcb->IdleThread) {
        if (prcb != KeGetCurrentPrcb()) {
            KiRequestDispatch(prcb); // it sleeps; else it looks for itself
        }
    } else if (Thread->Priority > current->Priority) {
        prcb->NextThread = Thread; // a hint that somebody waits; KiQuantumEnd chooses
        KiRequestDispatch(prcb);
    }
    KeLowerIrql(irql);
}

// Gives way to a ready thread of the same or higher priority, if there is one.
extern "C" NOINLINE VOID KiQuantumEnd(VOID) {
    PKPRCB prcb = KeGetCurrentPrcb();
    PKTHREAD current = KeGetCurrentThread();
    prcb->NextThread = nullptr;
    if (current == prcb->IdleThread) {
        return; // it looks for itself
    }
    PKTHREAD next = KiSelectReadyThread(current->Priority);
    current->Quantum = KiThreadQuantum;
    if (next != nullptr) {
        current->SwapBusy = TRUE;
        KiInsertReady(current);
        KiSwapThread(next);
    }
}

// The current thread, which is waiting or dead, gives the processor up. At DISPATCH_LEVEL.
static NOINLINE VOID KiCommitThreadWait(VOID) {
    PKTHREAD next = KiSelectReadyThread(KiLowestPriority);
    KiSwapThread(next != nullptr ? next : KeGetCurrentPrcb()->IdleThread);
}

extern "C" VOID KiUnwaitThread(PKTHREAD Thread, LONG_PTR WaitStatus) {
    if (Thread->State == Waiting) {
        Thread->WaitStatus = WaitStatus;
        Thread->NextProcessor = (Thread->NextProcessor + 1) % KeNumberProcessors;
        KiReadyThread(Thread);
    }
}

extern "C" NTKERNELAPI NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE WaitMode, BOOLEAN, PLARGE_INTEGER Interval) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    PKTHREAD thread = KeGetCurrentThread();
    thread->SwapBusy = TRUE;
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
    KxAcquireSpinLock(&KiDispatcherLock);
    RemoveEntryList(&thread->ThreadListEntry);
    thread->Process->StackCount--;
    KxReleaseSpinLock(&KiDispatcherLock);
    KiCommitThreadWait();
    __builtin_trap();
}

// What runs when nothing else can, at DISPATCH_LEVEL on the stack on which the processor was started.
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
        if (prcb->ReadySummary == 0 || !KiScheduling) {
            __asm__ volatile("sti; hlt" : : : "memory");
        }
    }
}
