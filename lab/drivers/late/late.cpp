// A driver that comes after start and leaves again, and forgets part of what it took: the return addresses of its
// allocations then point into an unloaded driver.
#include "../driver.h"

constexpr ULONG LATE_TAG = DriverTag("Late");
constexpr ULONG LATE_BLOCKS = 10;
constexpr SIZE_T LATE_BYTES = 300;
constexpr ULONG LATE_FORGOTTEN = 3;

static BLOCK_LIST LateBlocks;

extern "C" {
volatile ULONG64 LateLiveBlocks;

__attribute__((noinline)) VOID LateUnload(PDRIVER_OBJECT) {
    while (LateLiveBlocks > LATE_FORGOTTEN) {
        PVOID block = PopBlock(&LateBlocks);
        if (block == nullptr) {
            break;
        }
        ExFreePoolWithTag(block, LATE_TAG);
        LateLiveBlocks = LateLiveBlocks - 1;
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING) {
    for (ULONG i = 0; i < LATE_BLOCKS; i++) {
        if (PVOID block = ExAllocatePoolWithTag(NonPagedPoolNx, LATE_BYTES, LATE_TAG)) {
            PushBlock(&LateBlocks, block);
            LateLiveBlocks = LateLiveBlocks + 1;
        }
    }
    DriverObject->DriverUnload = LateUnload;
    return STATUS_SUCCESS;
}
}
