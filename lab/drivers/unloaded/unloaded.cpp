// A driver that probes a bus when it starts, leaks a request with each device that it asks, finds none and leaves. What
// it has left points back at it: every request holds the address of its completion routine.
#include "../counted.h"

constexpr ULONG UNLOADED_TAG_REQUEST = DriverTag("UnRq"); // never freed: a leak
constexpr ULONG UNLOADED_TAG_BUS = DriverTag("UnBu");     // freed when it leaves
constexpr ULONG UNLOADED_DEVICES = 100;
constexpr ULONG UNLOADED_REQUESTS = 15; // for each device
constexpr LONGLONG UNLOADED_WAIT = 50;  // ms, for each device
constexpr SIZE_T UNLOADED_BUS_BYTES = 500;
constexpr SIZE_T UNLOADED_REQUEST_BYTES = 280;

struct UNLOADED_REQUEST {
    PVOID Completion;
    ULONG Device;
    ULONG Function;
};

static PVOID UnloadedBus;

extern "C" {
volatile DRIVER_COUNTERS UnloadedRequests;

__attribute__((noinline)) VOID UnloadedCompleteRequest(UNLOADED_REQUEST* Request) {
    ExFreePoolWithTag(Request, UNLOADED_TAG_REQUEST);
    CountFree(&UnloadedRequests, UNLOADED_REQUEST_BYTES);
}

__attribute__((noinline)) VOID UnloadedSendRequest(ULONG Device, ULONG Function) {
    UNLOADED_REQUEST* request = static_cast<UNLOADED_REQUEST*>(
        ExAllocatePoolWithTag(NonPagedPoolNx, UNLOADED_REQUEST_BYTES, UNLOADED_TAG_REQUEST));
    CountAllocation(&UnloadedRequests, request, UNLOADED_REQUEST_BYTES);
    if (request == nullptr) {
        return;
    }
    memset(request, 0, UNLOADED_REQUEST_BYTES);
    request->Completion = reinterpret_cast<PVOID>(UnloadedCompleteRequest);
    request->Device = Device;
    request->Function = Function;
}

__attribute__((noinline)) VOID UnloadedProbeBus(VOID) {
    for (ULONG device = 0; device < UNLOADED_DEVICES; device++) {
        for (ULONG function = 0; function < UNLOADED_REQUESTS; function++) {
            UnloadedSendRequest(device, function);
        }
        DriverSleep(UNLOADED_WAIT);
    }
}

__attribute__((noinline)) VOID UnloadedUnload(PDRIVER_OBJECT) {
    if (UnloadedBus != nullptr) {
        ExFreePoolWithTag(UnloadedBus, UNLOADED_TAG_BUS);
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING) {
    DriverObject->DriverUnload = UnloadedUnload;
    UnloadedBus = ExAllocatePoolWithTag(NonPagedPoolNx, UNLOADED_BUS_BYTES, UNLOADED_TAG_BUS);
    UnloadedProbeBus();
    return STATUS_SUCCESS;
}
}
