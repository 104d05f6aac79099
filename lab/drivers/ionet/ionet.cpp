// A driver with very many small blocks: one record for each address it has seen, tagged 'IoN7'.
#include "../driver.h"

constexpr ULONG ION_TAG = DriverTag("IoN7");
constexpr ULONG ION_BLOCKS = 10939;
constexpr ULONG ION_BYTES = 998432;
constexpr ULONG ION_DROPPED_EVERY = 5;

static BLOCK_LIST IonAddresses;

extern "C" {
volatile ULONG64 IonLiveBlocks;
volatile ULONG64 IonLiveBytes;

__attribute__((noinline)) PVOID IonRecordAddress(SIZE_T Bytes) {
    PVOID record = ExAllocatePoolWithTag(PagedPool, Bytes, ION_TAG);
    if (record != nullptr) {
        IonLiveBlocks = IonLiveBlocks + 1;
        IonLiveBytes = IonLiveBytes + TrackedBytes(Bytes);
    }
    return record;
}

__attribute__((noinline)) VOID IonDropAddress(PVOID Record, SIZE_T Bytes) {
    ExFreePoolWithTag(Record, ION_TAG);
    IonLiveBlocks = IonLiveBlocks - 1;
    IonLiveBytes = IonLiveBytes - TrackedBytes(Bytes);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    DRIVER_RANDOM random = {23};
    SIZE_PLAN plan = {ION_BLOCKS, ION_BYTES / DRIVER_UNIT, 3, 3, {29}};
    while (plan.Blocks != 0) {
        if (PVOID record = IonRecordAddress(RequestForUnits(PlanNext(&plan), &random))) {
            PushBlock(&IonAddresses, record);
        }
        if (plan.Blocks % ION_DROPPED_EVERY == 0) {
            SIZE_T bytes = 64;
            if (PVOID record = IonRecordAddress(bytes)) {
                IonDropAddress(record, bytes);
            }
        }
    }
    return STATUS_SUCCESS;
}
}
