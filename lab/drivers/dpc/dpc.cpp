// A driver that works in the deferred call of a timer: its stacks go on in whatever was running, through the frame of
// an interrupt unless that was the idle loop. So that it is not always, a thread sometimes waits for an entry by
// polling.
#include "../counted.h"

constexpr ULONG DPC_TAG_SAMPLE = DriverTag("DpcS"); // never freed: a leak
constexpr ULONG DPC_TAG_QUEUE = DriverTag("DpcQ");  // comes and goes
constexpr LONG DPC_PERIOD = 20;                     // ms
constexpr LONGLONG DPC_POLL_INTERVAL = 170;         // ms
constexpr ULONG DPC_POLLS = 1'000'000;              // at most; an entry comes in DPC_PERIOD
constexpr ULONG DPC_SAMPLES = 1;                    // in a period, on the average
constexpr SIZE_T DPC_SAMPLE_BYTES = 88;
constexpr SIZE_T DPC_ENTRY_BYTES = 176;

static KTIMER DpcTimer;
static KDPC DpcObject;
static BLOCK_LIST DpcSampleList;
static BLOCK_RING DpcQueueRing;
static DRIVER_RANDOM DpcRandom = {101};

extern "C" {
volatile DRIVER_COUNTERS DpcSamples;
volatile DRIVER_COUNTERS DpcQueue;

__attribute__((noinline)) VOID DpcTakeSample(VOID) {
    PVOID sample = ExAllocatePoolWithTag(NonPagedPoolNx, DPC_SAMPLE_BYTES, DPC_TAG_SAMPLE);
    CountAllocation(&DpcSamples, sample, DPC_SAMPLE_BYTES);
    if (sample != nullptr) {
        PushBlock(&DpcSampleList, sample);
    }
}

__attribute__((noinline)) VOID DpcQueueEntry(VOID) {
    PVOID entry = ExAllocatePoolWithTag(NonPagedPoolNx, DPC_ENTRY_BYTES, DPC_TAG_QUEUE);
    CountAllocation(&DpcQueue, entry, DPC_ENTRY_BYTES);
    if (entry == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&DpcQueueRing, entry)) {
        ExFreePoolWithTag(oldest, DPC_TAG_QUEUE);
        CountFree(&DpcQueue, DPC_ENTRY_BYTES);
    }
}

__attribute__((noinline)) VOID DpcTimerRoutine(PKDPC, PVOID, PVOID, PVOID) {
    for (ULONG i = DriverLoad(&DpcRandom, DPC_SAMPLES); i != 0; i--) {
        DpcTakeSample();
    }
    DpcQueueEntry();
}

__attribute__((noinline)) VOID DpcPollQueue(VOID) {
    ULONG64 before = DpcQueue.Allocations;
    for (ULONG i = 0; i < DPC_POLLS && DpcQueue.Allocations == before; i++) {
        __builtin_ia32_pause();
    }
}

__attribute__((noinline)) VOID DpcWorker(PVOID) {
    for (;;) {
        DriverSleep(DPC_POLL_INTERVAL);
        DpcPollQueue();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += DPC_PERIOD) {
        DpcTimerRoutine(nullptr, nullptr, nullptr, nullptr);
    }
    KeInitializeTimer(&DpcTimer);
    KeInitializeDpc(&DpcObject, DpcTimerRoutine, nullptr);
    LARGE_INTEGER due = {};
    due.QuadPart = -10'000 * DPC_PERIOD;
    KeSetTimerEx(&DpcTimer, due, DPC_PERIOD, &DpcObject);
    return DriverStartThread(DpcWorker);
}
}
