// A driver whose blocks come from lookaside lists: an inlined pop, and the pool only when the list is empty. Busy, but
// steady: it leaks nothing.
#include "lookaside.h"

#include "../counted.h"

constexpr ULONG LOOKASIDE_TAG_REQUEST = DriverTag("LkRq"); // nonpaged
constexpr ULONG LOOKASIDE_TAG_RECORD = DriverTag("LkRc");  // paged

constexpr LONGLONG LOOKASIDE_ROUND = 30; // ms
constexpr SIZE_T LOOKASIDE_REQUEST_BYTES = 168;
constexpr SIZE_T LOOKASIDE_RECORD_BYTES = 250;
constexpr ULONG LOOKASIDE_AT_ONCE = 8; // the lists hold 4

static NPAGED_LOOKASIDE_LIST LookasideRequestList;
static PAGED_LOOKASIDE_LIST LookasideRecordList;
static DRIVER_RANDOM LookasideRandom = {71};

extern "C" {
// What the pool sees: the misses.
volatile DRIVER_COUNTERS LookasideRequests;
volatile DRIVER_COUNTERS LookasideRecords;
volatile ULONG64 LookasideServed; // blocks that were used, most of them without the pool

__attribute__((noinline)) VOID LookasideCountMisses(volatile DRIVER_COUNTERS* Counters, PGENERAL_LOOKASIDE List) {
    Counters->Allocations = List->AllocateMisses;
    Counters->Frees = List->FreeMisses;
    Counters->LiveBlocks = List->AllocateMisses - List->FreeMisses;
    Counters->LiveBytes = Counters->LiveBlocks * TrackedBytes(List->Size);
}

__attribute__((noinline)) VOID LookasideServeRequests(VOID) {
    PVOID requests[LOOKASIDE_AT_ONCE];
    ULONG count = 1 + DriverRandom(&LookasideRandom, LOOKASIDE_AT_ONCE);
    for (ULONG i = 0; i < count; i++) {
        requests[i] = ExAllocateFromNPagedLookasideList(&LookasideRequestList);
    }
    LookasideCountMisses(&LookasideRequests, &LookasideRequestList.L);
    for (ULONG i = 0; i < count; i++) {
        if (requests[i] != nullptr) {
            ExFreeToNPagedLookasideList(&LookasideRequestList, requests[i]);
            LookasideServed = LookasideServed + 1;
        }
    }
    LookasideCountMisses(&LookasideRequests, &LookasideRequestList.L);
}

__attribute__((noinline)) VOID LookasideWriteRecords(VOID) {
    PVOID records[LOOKASIDE_AT_ONCE];
    ULONG count = 1 + DriverRandom(&LookasideRandom, LOOKASIDE_AT_ONCE);
    for (ULONG i = 0; i < count; i++) {
        records[i] = ExAllocateFromPagedLookasideList(&LookasideRecordList);
    }
    LookasideCountMisses(&LookasideRecords, &LookasideRecordList.L);
    for (ULONG i = 0; i < count; i++) {
        if (records[i] != nullptr) {
            ExFreeToPagedLookasideList(&LookasideRecordList, records[i]);
            LookasideServed = LookasideServed + 1;
        }
    }
    LookasideCountMisses(&LookasideRecords, &LookasideRecordList.L);
}

__attribute__((noinline)) VOID LookasideWorker(PVOID) {
    for (;;) {
        DriverSleep(LOOKASIDE_ROUND);
        LookasideServeRequests();
        LookasideWriteRecords();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    ExInitializeNPagedLookasideList(&LookasideRequestList, nullptr, nullptr, 0, LOOKASIDE_REQUEST_BYTES,
                                    LOOKASIDE_TAG_REQUEST, 0);
    ExInitializePagedLookasideList(&LookasideRecordList, nullptr, nullptr, 0, LOOKASIDE_RECORD_BYTES,
                                   LOOKASIDE_TAG_RECORD, 0);
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += LOOKASIDE_ROUND) {
        LookasideServeRequests();
        LookasideWriteRecords();
    }
    return DriverStartThread(LookasideWorker);
}
}
