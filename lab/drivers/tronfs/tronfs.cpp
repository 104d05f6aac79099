// A driver that keeps large tables: allocations of whole pages and a few small headers, all tagged 'Tron'.
#include "../driver.h"

constexpr ULONG TRON_TAG = DriverTag("Tron");
constexpr ULONG TRON_SMALL_BLOCKS = 12;
constexpr ULONG TRON_SMALL_BYTES = 3008;
constexpr ULONG TRON_BIG_BLOCKS = 540;
constexpr ULONG TRON_BIG_PAGES = 1919;
constexpr ULONG TRON_TEMPORARY_EVERY = 9;

static BLOCK_LIST TronHeaders;
static BLOCK_LIST TronTables;

extern "C" {
volatile ULONG64 TronLiveBlocks;
volatile ULONG64 TronLiveBytes;

__attribute__((noinline)) PVOID TronAllocate(SIZE_T Bytes) {
    PVOID block = ExAllocatePoolWithTag(PagedPool, Bytes, TRON_TAG);
    if (block != nullptr) {
        TronLiveBlocks = TronLiveBlocks + 1;
        TronLiveBytes = TronLiveBytes + TrackedBytes(Bytes);
    }
    return block;
}

__attribute__((noinline)) VOID TronFree(PVOID Block, SIZE_T Bytes) {
    ExFreePool(Block);
    TronLiveBlocks = TronLiveBlocks - 1;
    TronLiveBytes = TronLiveBytes - TrackedBytes(Bytes);
}

__attribute__((noinline)) VOID TronMountVolume(VOID) {
    DRIVER_RANDOM random = {3};
    SIZE_PLAN small = {TRON_SMALL_BLOCKS, TRON_SMALL_BYTES / DRIVER_UNIT, 2, 6, {5}};
    while (small.Blocks != 0) {
        if (PVOID block = TronAllocate(RequestForUnits(PlanNext(&small), &random))) {
            PushBlock(&TronHeaders, block);
        }
    }
    SIZE_PLAN big = {TRON_BIG_BLOCKS, TRON_BIG_PAGES, 2, 2, {11}};
    while (big.Blocks != 0) {
        if (PVOID block = TronAllocate(RequestForPages(PlanNext(&big), &random))) {
            PushBlock(&TronTables, block);
        }
        // A table that is outgrown at once: its place is reused, its record stays as history.
        if (big.Blocks % TRON_TEMPORARY_EVERY == 0) {
            if (PVOID block = TronAllocate(2 * PAGE_SIZE)) {
                TronFree(block, 2 * PAGE_SIZE);
            }
        }
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    TronMountVolume();
    return STATUS_SUCCESS;
}
}
