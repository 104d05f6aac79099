// Background work that leaks nothing, for a debugger not to be misled by: a lookaside list whose blocks mostly never
// reach the pool, a sawtooth that grows and shrinks, a protected tag, and what a running system holds anyway.
#include "../driver.h"
#include "lookaside.h"

constexpr ULONG BG_TAG_REQUEST = DriverTag("BgRq"); // lookaside list
constexpr ULONG BG_TAG_SAWTOOTH = DriverTag("BgSw");
constexpr ULONG BG_TAG_PROTECTED = DriverTag("BgPr") | 0x80000000;
constexpr ULONG BG_TAG_STATIC = DriverTag("BgSt");
constexpr ULONG BG_TAG_PAGED = DriverTag("Bg\x01p");

constexpr SIZE_T BG_REQUEST_BYTES = 200;
constexpr ULONG BG_REQUESTS_AT_ONCE = 6;
constexpr SIZE_T BG_TOOTH_BYTES = 96;
constexpr ULONG BG_TEETH = 50;
constexpr ULONG BG_STATIC_BLOCKS = 300;
constexpr ULONG BG_PAGED_BLOCKS = 400;

static NPAGED_LOOKASIDE_LIST BgRequests;
static BLOCK_LIST BgStatic;
static BLOCK_LIST BgPaged;
static BLOCK_LIST BgSawtooth;

extern "C" {
volatile ULONG64 BgRequestsServed;
volatile ULONG64 BgLookasideMisses;
volatile ULONG64 BgTeeth;

// One round: some requests at once from the lookaside list, a protected block, a tooth more or all teeth drawn.
__attribute__((noinline)) VOID BgServe(VOID) {
    PVOID requests[BG_REQUESTS_AT_ONCE];
    for (PVOID& request : requests) {
        request = ExAllocateFromNPagedLookasideList(&BgRequests);
    }
    for (PVOID request : requests) {
        if (request != nullptr) {
            ExFreeToNPagedLookasideList(&BgRequests, request);
            BgRequestsServed = BgRequestsServed + 1;
        }
    }
    BgLookasideMisses = BgRequests.L.AllocateMisses;
    if (PVOID block = ExAllocatePoolWithTag(NonPagedPoolNx, BG_TOOTH_BYTES, BG_TAG_PROTECTED)) {
        ExFreePoolWithTag(block, BG_TAG_PROTECTED);
    }
    if (BgTeeth < BG_TEETH) {
        if (PVOID tooth = ExAllocatePoolWithTag(NonPagedPoolNx, BG_TOOTH_BYTES, BG_TAG_SAWTOOTH)) {
            PushBlock(&BgSawtooth, tooth);
            BgTeeth = BgTeeth + 1;
        }
        return;
    }
    while (PVOID tooth = PopBlock(&BgSawtooth)) {
        ExFreePool(tooth);
        BgTeeth = BgTeeth - 1;
    }
}

__attribute__((noinline)) VOID BgWorker(PVOID) {
    for (;;) {
        LARGE_INTEGER interval = {};
        interval.QuadPart = DRIVER_TICK;
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
        BgServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    DRIVER_RANDOM random = {61};
    for (ULONG i = 0; i < BG_STATIC_BLOCKS; i++) {
        if (PVOID block = ExAllocatePoolWithTag(NonPagedPoolNx, 40 + DriverRandom(&random, 6000), BG_TAG_STATIC)) {
            PushBlock(&BgStatic, block);
        }
    }
    for (ULONG i = 0; i < BG_PAGED_BLOCKS; i++) {
        if (PVOID block = ExAllocatePoolWithTag(PagedPool, 40 + DriverRandom(&random, 2400), BG_TAG_PAGED)) {
            PushBlock(&BgPaged, block);
        }
    }
    ExInitializeNPagedLookasideList(&BgRequests, nullptr, nullptr, 0, BG_REQUEST_BYTES, BG_TAG_REQUEST, 0);
    HANDLE thread = nullptr;
    return PsCreateSystemThread(&thread, 0, nullptr, nullptr, nullptr, BgWorker, nullptr);
}
}
