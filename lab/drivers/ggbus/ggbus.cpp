// A driver with a few large rings and two small records, tagged 'Ggb '.
#include "../driver.h"

constexpr ULONG GGB_TAG = DriverTag("Ggb ");
constexpr ULONG GGB_RECORDS = 2;
constexpr ULONG GGB_RECORD_BYTES = 992; // both together
constexpr ULONG GGB_RINGS = 20;
constexpr ULONG GGB_RING_PAGES = 202; // all together

static BLOCK_LIST GgbBlocks;

extern "C" {
volatile ULONG64 GgbLiveBlocks;
volatile ULONG64 GgbLiveBytes;

__attribute__((noinline)) VOID GgbAddBlock(SIZE_T Bytes) {
    PVOID block = ExAllocatePoolWithTag(PagedPool, Bytes, GGB_TAG);
    if (block != nullptr) {
        PushBlock(&GgbBlocks, block);
        GgbLiveBlocks = GgbLiveBlocks + 1;
        GgbLiveBytes = GgbLiveBytes + TrackedBytes(Bytes);
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    DRIVER_RANDOM random = {41};
    SIZE_PLAN records = {GGB_RECORDS, GGB_RECORD_BYTES / DRIVER_UNIT, 10, 12, {43}};
    while (records.Blocks != 0) {
        GgbAddBlock(RequestForUnits(PlanNext(&records), &random));
    }
    SIZE_PLAN rings = {GGB_RINGS, GGB_RING_PAGES, 2, 8, {47}};
    while (rings.Blocks != 0) {
        GgbAddBlock(RequestForPages(PlanNext(&rings), &random));
    }
    return STATUS_SUCCESS;
}
}
