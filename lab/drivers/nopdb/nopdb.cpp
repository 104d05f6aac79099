// A driver without symbols: no PDB, and of its names only the exports. What leaks is not among them.
#include "../counted.h"

constexpr ULONG NOPDB_TAG_CONTEXT = DriverTag("NpCx"); // never freed: a leak
constexpr ULONG NOPDB_TAG_IRP = DriverTag("NpIr");     // comes and goes
constexpr LONGLONG NOPDB_ROUND = 70;                   // ms
constexpr ULONG NOPDB_REQUESTS = 2;                    // in a round, on the average
constexpr SIZE_T NOPDB_CONTEXT_BYTES = 136;
constexpr SIZE_T NOPDB_IRP_BYTES = 264;

static BLOCK_LIST NopdbContextList;
static BLOCK_RING NopdbIrpRing;
static DRIVER_RANDOM NopdbRandom = {103};

extern "C" {
volatile DRIVER_COUNTERS NopdbContexts;
volatile DRIVER_COUNTERS NopdbIrps;
}

static __attribute__((noinline)) VOID NopdbCreateContext(VOID) {
    PVOID context = ExAllocatePoolWithTag(NonPagedPoolNx, NOPDB_CONTEXT_BYTES, NOPDB_TAG_CONTEXT);
    CountAllocation(&NopdbContexts, context, NOPDB_CONTEXT_BYTES);
    if (context != nullptr) {
        PushBlock(&NopdbContextList, context);
    }
}

extern "C" {
// For tests: where the routine lies that leaks.
PVOID NopdbLeakRoutine = reinterpret_cast<PVOID>(NopdbCreateContext);

__attribute__((noinline)) VOID NopdbSubmit(VOID) {
    PVOID irp = ExAllocatePoolWithTag(NonPagedPoolNx, NOPDB_IRP_BYTES, NOPDB_TAG_IRP);
    CountAllocation(&NopdbIrps, irp, NOPDB_IRP_BYTES);
    if (irp == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&NopdbIrpRing, irp)) {
        ExFreePoolWithTag(oldest, NOPDB_TAG_IRP);
        CountFree(&NopdbIrps, NOPDB_IRP_BYTES);
    }
}
}

static __attribute__((noinline)) VOID NopdbServe(VOID) {
    for (ULONG i = DriverLoad(&NopdbRandom, NOPDB_REQUESTS); i != 0; i--) {
        NopdbCreateContext();
        NopdbSubmit();
    }
}

static __attribute__((noinline)) VOID NopdbWorker(PVOID) {
    for (;;) {
        DriverSleep(NOPDB_ROUND);
        NopdbServe();
    }
}

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += NOPDB_ROUND) {
        NopdbServe();
    }
    return DriverStartThread(NopdbWorker);
}
