// System threads.
#include "psp.h"

constexpr ULONG PspTagThread = 'erhT'; // Thre

extern "C" {
PVOID MmCreateKernelStack(PVOID* StackLimit);
VOID MmDeleteKernelStack(PVOID StackTop);
}

// Threads that ended, by processor. A thread cannot free the stack on which it runs, so the next creation on its
// processor does.
static PETHREAD PspDeadThreads[MAXIMUM_PROCESSORS];
static KSPIN_LOCK PspThreadLock;
static ULONG PspThreadCount;

static VOID PspReapThreads(VOID) {
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    PETHREAD* list = &PspDeadThreads[KeGetCurrentProcessorNumber()];
    PETHREAD dead = *list;
    *list = nullptr;
    KeLowerIrql(irql);
    while (dead != nullptr) {
        PETHREAD next = static_cast<PETHREAD>(dead->Tcb.Queue);
        MmDeleteKernelStack(dead->Tcb.StackBase);
        ExFreePoolWithTag(dead, PspTagThread);
        dead = next;
    }
}

// Where every thread begins, so that its stack shows who it is.
extern "C" NOINLINE __attribute__((disable_tail_calls)) VOID PspSystemThreadStartup(PVOID StartRoutine,
                                                                                    PVOID StartContext) {
    reinterpret_cast<PKSTART_ROUTINE>(StartRoutine)(StartContext);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

extern "C" PETHREAD PspCreateThread(PEPROCESS Process, PKSTART_ROUTINE StartRoutine, PVOID StartContext,
                                    KPRIORITY Priority) {
    PspReapThreads();
    PETHREAD thread = static_cast<PETHREAD>(ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(ETHREAD), PspTagThread));
    PVOID limit = nullptr;
    PVOID top = thread == nullptr ? nullptr : MmCreateKernelStack(&limit);
    if (top == nullptr) {
        if (thread != nullptr) {
            ExFreePoolWithTag(thread, PspTagThread);
        }
        return nullptr;
    }
    memset(thread, 0, sizeof(*thread));
    InitializeListHead(&thread->IrpList);
    thread->CreateTime.QuadPart = KeQuerySystemTime();
    thread->StartAddress = thread->Win32StartAddress = reinterpret_cast<PVOID>(StartRoutine);
    thread->StartContext = StartContext;
    thread->Cid.UniqueProcess = Process->UniqueProcessId;
    thread->Cid.UniqueThread = PspAllocateId();
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&PspThreadLock);
    thread->Tcb.NextProcessor = PspThreadCount++ % KeNumberProcessors;
    KeInitializeThread(&thread->Tcb, &Process->Pcb, top, limit, reinterpret_cast<PVOID>(PspSystemThreadStartup),
                       reinterpret_cast<PVOID>(StartRoutine), StartContext, Priority);
    InsertTailList(&Process->ThreadListHead, &thread->ThreadListEntry);
    Process->ActiveThreads++;
    KiReadyThread(&thread->Tcb);
    KeReleaseSpinLock(&PspThreadLock, irql);
    return thread;
}

// The thread of a processor that is being started: it describes the code that runs there on this stack.
extern "C" PKTHREAD PspCreateIdleThread(ULONG Processor) {
    PETHREAD thread = static_cast<PETHREAD>(ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(ETHREAD), PspTagThread));
    PVOID limit = nullptr;
    PVOID top = thread == nullptr ? nullptr : MmCreateKernelStack(&limit);
    if (top == nullptr) {
        return nullptr;
    }
    memset(thread, 0, sizeof(*thread));
    InitializeListHead(&thread->IrpList);
    KIRQL irql = KfRaiseIrql(DISPATCH_LEVEL);
    thread->Tcb.NextProcessor = Processor;
    KeInitializeThread(&thread->Tcb, &KiInitialProcess.Pcb, top, limit, nullptr, nullptr, nullptr, KiLowestPriority);
    KeLowerIrql(irql);
    return &thread->Tcb;
}

extern "C" NTKERNELAPI NTSTATUS PsCreateSystemThread(PHANDLE ThreadHandle, ULONG, PVOID, HANDLE, PCLIENT_ID ClientId,
                                                     PKSTART_ROUTINE StartRoutine, PVOID StartContext) {
    PETHREAD thread = PspCreateThread(PsInitialSystemProcess, StartRoutine, StartContext, KiNormalPriority);
    if (thread == nullptr) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    if (ThreadHandle != nullptr) {
        *ThreadHandle = thread->Cid.UniqueThread;
    }
    if (ClientId != nullptr) {
        *ClientId = thread->Cid;
    }
    return STATUS_SUCCESS;
}

extern "C" NTKERNELAPI NOINLINE NTSTATUS PsTerminateSystemThread(NTSTATUS ExitStatus) {
    PETHREAD thread = CONTAINING_RECORD(KeGetCurrentThread(), ETHREAD, Tcb);
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&PspThreadLock);
    PEPROCESS process = CONTAINING_RECORD(thread->Tcb.Process, EPROCESS, Pcb);
    thread->ExitStatus = ExitStatus;
    RemoveEntryList(&thread->ThreadListEntry);
    process->ActiveThreads--;
    KeReleaseSpinLock(&PspThreadLock, irql);
    KfRaiseIrql(DISPATCH_LEVEL);
    PETHREAD* list = &PspDeadThreads[KeGetCurrentProcessorNumber()];
    thread->Tcb.Queue = *list;
    *list = thread;
    KeTerminateThread();
}
