// A traffic shaper that shares its tag with netfilt.sys. It allocates more than that one, and frees all of it.
#include "../counted.h"

constexpr ULONG NETSHAPE_TAG = DriverTag("NetB");
constexpr LONGLONG NETSHAPE_ROUND = 50; // ms
constexpr ULONG NETSHAPE_BUFFERS = 4;   // in a round
constexpr SIZE_T NETSHAPE_BUFFER_BYTES = 128;

static BLOCK_RING NetshapeRing;

extern "C" {
volatile DRIVER_COUNTERS NetshapeBuffers;

__attribute__((noinline)) VOID NetshapeSendBuffer(PVOID Buffer) {
    ExFreePoolWithTag(Buffer, NETSHAPE_TAG);
    CountFree(&NetshapeBuffers, NETSHAPE_BUFFER_BYTES);
}

__attribute__((noinline)) VOID NetshapeQueueBuffer(VOID) {
    PVOID buffer = ExAllocatePoolWithTag(NonPagedPoolNx, NETSHAPE_BUFFER_BYTES, NETSHAPE_TAG);
    CountAllocation(&NetshapeBuffers, buffer, NETSHAPE_BUFFER_BYTES);
    if (buffer == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&NetshapeRing, buffer)) {
        NetshapeSendBuffer(oldest);
    }
}

__attribute__((noinline)) VOID NetshapeServe(VOID) {
    for (ULONG i = 0; i < NETSHAPE_BUFFERS; i++) {
        NetshapeQueueBuffer();
    }
}

__attribute__((noinline)) VOID NetshapeWorker(PVOID) {
    for (;;) {
        DriverSleep(NETSHAPE_ROUND);
        NetshapeServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (ULONG i = 0; i < BLOCK_RING_SIZE; i++) {
        NetshapeQueueBuffer();
    }
    return DriverStartThread(NetshapeWorker);
}
}
