// A driver that leaks paged pool. Nobody touches its old blocks, so their pages leave memory (boot option `trim`).
#include "../counted.h"

constexpr ULONG PAGED_TAG_RECORD = DriverTag("PgRc"); // never freed: a leak
constexpr ULONG PAGED_TAG_CACHE = DriverTag("PgCa");  // comes and goes

constexpr LONGLONG PAGED_ROUND = 40; // ms
constexpr ULONG PAGED_RECORD_SMALLEST = 400;
constexpr ULONG PAGED_RECORD_SPREAD = 500;
constexpr ULONG PAGED_RECORDS = 1; // in a round, on the average
constexpr ULONG PAGED_ENTRIES = 3; // of the cache
constexpr SIZE_T PAGED_ENTRY_BYTES = 208;

static BLOCK_LIST PagedRecordList;
static BLOCK_RING PagedCacheRing;
static DRIVER_RANDOM PagedRandom = {79};

extern "C" {
volatile DRIVER_COUNTERS PagedRecords;
volatile DRIVER_COUNTERS PagedCache;

// Appends to a history that is never cut.
__attribute__((noinline)) VOID PagedAppendRecord(SIZE_T Bytes) {
    PVOID record = ExAllocatePoolWithTag(PagedPool, Bytes, PAGED_TAG_RECORD);
    CountAllocation(&PagedRecords, record, Bytes);
    if (record != nullptr) {
        PushBlock(&PagedRecordList, record);
    }
}

__attribute__((noinline)) VOID PagedCacheEntry(VOID) {
    PVOID entry = ExAllocatePoolWithTag(PagedPool, PAGED_ENTRY_BYTES, PAGED_TAG_CACHE);
    CountAllocation(&PagedCache, entry, PAGED_ENTRY_BYTES);
    if (entry == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&PagedCacheRing, entry)) {
        ExFreePoolWithTag(oldest, PAGED_TAG_CACHE);
        CountFree(&PagedCache, PAGED_ENTRY_BYTES);
    }
}

__attribute__((noinline)) VOID PagedServe(VOID) {
    for (ULONG i = DriverLoad(&PagedRandom, PAGED_RECORDS); i != 0; i--) {
        PagedAppendRecord(PAGED_RECORD_SMALLEST + DriverRandom(&PagedRandom, PAGED_RECORD_SPREAD));
    }
    for (ULONG i = 0; i < PAGED_ENTRIES; i++) {
        PagedCacheEntry();
    }
}

__attribute__((noinline)) VOID PagedWorker(PVOID) {
    for (;;) {
        DriverSleep(PAGED_ROUND);
        PagedServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += PAGED_ROUND) {
        PagedServe();
    }
    return DriverStartThread(PagedWorker);
}
}
