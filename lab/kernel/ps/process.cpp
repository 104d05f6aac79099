// Processes. Idle has no place in the list; System is the first there.
#include "psp.h"

constexpr ULONG PspTagProcess = 'corP'; // Proc
constexpr UCHAR ProcessObject = 3;
constexpr ULONG_PTR PspSystemId = 4;
constexpr ULONG_PTR PspFirstFreeId = 8;
constexpr ULONG_PTR PspIdStep = 4;
constexpr ULONG_PTR PspImageBase = sizeof(PVOID) == 8 ? static_cast<ULONG_PTR>(0x7FF600000000) : 0x00400000;

extern "C" {
LIST_ENTRY PsActiveProcessHead = {&PsActiveProcessHead, &PsActiveProcessHead};
NTKERNELAPI PEPROCESS PsInitialSystemProcess;
PEPROCESS PsIdleProcess;
EPROCESS KiInitialProcess;
ETHREAD KiInitialThread;
NTSTATUS MmCreateProcessAddressSpace(ULONG_PTR* DirectoryTableBase);
NTSTATUS MmWriteProcessPage(ULONG_PTR DirectoryTableBase, ULONG_PTR Address, const VOID* Bytes, SIZE_T Length);
NTSTATUS MmShareUserData(ULONG_PTR DirectoryTableBase);
}

static ULONG_PTR PspNextId = PspFirstFreeId;
static KSPIN_LOCK PspActiveProcessLock;

extern "C" PVOID PspAllocateId(VOID) {
    return reinterpret_cast<PVOID>(__atomic_fetch_add(&PspNextId, PspIdStep, __ATOMIC_RELAXED));
}

extern "C" VOID PspInitializeProcess(PEPROCESS Process, PCSTR ImageFileName, ULONG_PTR Id,
                                     ULONG_PTR DirectoryTableBase) {
    memset(Process, 0, sizeof(*Process));
    Process->Pcb.Header.Type = ProcessObject;
    InitializeListHead(&Process->Pcb.Header.WaitListHead);
    InitializeListHead(&Process->Pcb.ThreadListHead);
    InitializeListHead(&Process->Pcb.ReadyListHead);
    InitializeListHead(&Process->Pcb.ProfileListHead);
    InitializeListHead(&Process->ThreadListHead);
    Process->Pcb.DirectoryTableBase = DirectoryTableBase;
    Process->Pcb.BasePriority = KiNormalPriority;
    Process->Pcb.Affinity = 1;
    Process->UniqueProcessId = reinterpret_cast<PVOID>(Id);
    Process->CreateTime.QuadPart = KeQuerySystemTime();
    for (ULONG i = 0; i + 1 < sizeof(Process->ImageFileName) && ImageFileName[i] != 0; i++) {
        Process->ImageFileName[i] = static_cast<UCHAR>(ImageFileName[i]);
    }
}

extern "C" PEPROCESS PspCreateProcess(PCSTR ImageFileName, PEPROCESS Parent) {
    PEPROCESS process = static_cast<PEPROCESS>(ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(EPROCESS), PspTagProcess));
    ULONG_PTR directory = 0;
    if (process == nullptr) {
        return nullptr;
    }
    if (!NT_SUCCESS(MmCreateProcessAddressSpace(&directory)) || !NT_SUCCESS(MmShareUserData(directory)) ||
        !NT_SUCCESS(MmWriteProcessPage(directory, PspImageBase, ImageFileName, strlen(ImageFileName)))) {
        ExFreePoolWithTag(process, PspTagProcess);
        return nullptr;
    }
    PspInitializeProcess(process, ImageFileName, reinterpret_cast<ULONG_PTR>(PspAllocateId()), directory);
    process->SectionBaseAddress = reinterpret_cast<PVOID>(PspImageBase);
    process->InheritedFromUniqueProcessId = Parent->UniqueProcessId;
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&PspActiveProcessLock);
    InsertTailList(&PsActiveProcessHead, &process->ActiveProcessLinks);
    KeReleaseSpinLock(&PspActiveProcessLock, irql);
    return process;
}

// The code that runs now becomes the idle thread; System gets its first thread, which goes on with the start.
extern "C" INIT_FUNCTION VOID PsInitSystem(VOID) {
    ULONG_PTR directory = KiReadCr3();
    PspInitializeProcess(&KiInitialProcess, "Idle", 0, directory);
    PsIdleProcess = &KiInitialProcess;
    KeInitializeThread(&KiInitialThread.Tcb, &KiInitialProcess.Pcb, KiBootStackTop, KiBootStack, nullptr, nullptr,
                       nullptr, KiLowestPriority);
    PKPRCB prcb = KeGetCurrentPrcb();
    prcb->CurrentThread = prcb->IdleThread = &KiInitialThread.Tcb;

    PEPROCESS system = static_cast<PEPROCESS>(ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(EPROCESS), PspTagProcess));
    if (system == nullptr) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 6);
    }
    PspInitializeProcess(system, "System", PspSystemId, directory);
    InsertTailList(&PsActiveProcessHead, &system->ActiveProcessLinks);
    PsInitialSystemProcess = system;
    if (PspCreateThread(system, Phase1Initialization, nullptr, KiHighestPriority) == nullptr) {
        KeBugCheckEx(PHASE1_INITIALIZATION_FAILED, 0, 0, 0, 7);
    }
}
