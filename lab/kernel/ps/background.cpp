// What a running system has besides its drivers: two processes, threads that do housekeeping, a timer with a deferred
// call. On request (boot options) a driver that comes and goes (`late=on`), threads that never wait (`spin=on`), and
// paged pool that is made absent (`trim=`). The scenario `hunt` has a driver of its own that leaves, and trims slowly.
#include "psp.h"

constexpr LONGLONG PspMillisecond = -10'000;
constexpr LONG ExpRefreshPeriod = 500; // ms
constexpr ULONG MiTrimmedPages = 4;    // each time
constexpr LONGLONG MiTrimPeriod = 200; // ms
constexpr LONGLONG MiSlowTrimPeriod = 1000;
constexpr ULONG ExpSpinThreads = 2;

extern "C" {
KTIMER ExpTimeRefreshTimer;
KDPC ExpTimeRefreshDpc;
volatile ULONG ExpTimeRefreshCount;
volatile ULONG64 ExpSpinCount[ExpSpinThreads];
VOID MmTrimPagedPool(ULONG Pages);
}

static VOID PspSleep(LONGLONG Milliseconds) {
    LARGE_INTEGER interval = {};
    interval.QuadPart = Milliseconds * PspMillisecond;
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

extern "C" NOINLINE VOID ExpTimeRefreshDpcRoutine(PKDPC, PVOID, PVOID, PVOID) {
    ExpTimeRefreshCount = ExpTimeRefreshCount + 1;
}

extern "C" NOINLINE VOID ExpWorkerThread(PVOID) {
    for (;;) {
        PspSleep(100);
    }
}

extern "C" NOINLINE VOID ExpSpinThread(PVOID Counter) {
    volatile ULONG64* counter = static_cast<volatile ULONG64*>(Counter);
    for (;;) {
        *counter = *counter + 1;
    }
}

extern "C" NOINLINE VOID KeBalanceSetManager(PVOID) {
    BOOLEAN slow = KeBootOptionIs("trim", "slow", KeBootOptionIs("scenario", "hunt", FALSE));
    BOOLEAN trim = slow || KeBootOptionIs("trim", "on", FALSE);
    for (;;) {
        PspSleep(slow ? MiSlowTrimPeriod : MiTrimPeriod);
        if (trim) {
            MmTrimPagedPool(MiTrimmedPages);
        }
    }
}

// The first thread of a process. Programs are beyond this kernel: it waits.
extern "C" NOINLINE VOID PspUserThreadStartup(PVOID) {
    for (;;) {
        PspSleep(1000);
    }
}

// A driver comes after a second, and a second after it has started it leaves.
extern "C" NOINLINE VOID IopLateDriverThread(PVOID FileName) {
    PCSTR name = static_cast<PCSTR>(FileName);
    PspSleep(1000);
    NTSTATUS status = IopLoadDriver(name);
    if (NT_SUCCESS(status)) {
        PspSleep(1000);
        status = IopUnloadDriver(name);
    }
    if (!NT_SUCCESS(status)) {
        DbgPrint("IO: %s: %08lx\n", name, static_cast<ULONG>(status));
    }
}

static VOID PspStartLateDriver(PCSTR FileName) {
    PspCreateThread(PsInitialSystemProcess, IopLateDriverThread, const_cast<PCHAR>(FileName), KiNormalPriority);
}

static VOID PspStartProcess(PCSTR ImageFileName, PEPROCESS* Parent) {
    PEPROCESS process = PspCreateProcess(ImageFileName, *Parent);
    if (process == nullptr || PspCreateThread(process, PspUserThreadStartup, nullptr, KiNormalPriority) == nullptr) {
        DbgPrint("PS: no memory for %s\n", ImageFileName);
        return;
    }
    *Parent = process;
}

extern "C" VOID PspStartBackground(VOID) {
    PEPROCESS parent = PsInitialSystemProcess;
    PspStartProcess("smss.exe", &parent);
    PspStartProcess("csrss.exe", &parent);
    PspCreateThread(PsInitialSystemProcess, KeBalanceSetManager, nullptr, KiNormalPriority + 8);
    PspCreateThread(PsInitialSystemProcess, ExpWorkerThread, nullptr, KiNormalPriority + 4);
    PspCreateThread(PsInitialSystemProcess, ExpWorkerThread, nullptr, KiNormalPriority + 5);
    if (KeBootOptionIs("late", "on", FALSE)) {
        PspStartLateDriver("late.sys");
    }
    if (KeBootOptionIs("scenario", "hunt", FALSE)) {
        PspStartLateDriver("unloaded.sys");
    }
    for (ULONG i = 0; i < ExpSpinThreads && KeBootOptionIs("spin", "on", FALSE); i++) {
        PspCreateThread(PsInitialSystemProcess, ExpSpinThread, const_cast<ULONG64*>(&ExpSpinCount[i]),
                        KiNormalPriority);
    }
    KeInitializeTimer(&ExpTimeRefreshTimer);
    KeInitializeDpc(&ExpTimeRefreshDpc, ExpTimeRefreshDpcRoutine, nullptr);
    LARGE_INTEGER due = {};
    due.QuadPart = ExpRefreshPeriod * PspMillisecond;
    KeSetTimerEx(&ExpTimeRefreshTimer, due, ExpRefreshPeriod, &ExpTimeRefreshDpc);
}
