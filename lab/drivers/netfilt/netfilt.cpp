// A network filter that shares its tag with netshape.sys, and block size and pool as well. This one leaks: the clones
// of packets that it drops.
#include "../counted.h"

constexpr ULONG NETFILT_TAG = DriverTag("NetB");
constexpr LONGLONG NETFILT_ROUND = 50; // ms
constexpr ULONG NETFILT_DROPPED = 2;   // packets in a round
constexpr ULONG NETFILT_PASSED = 2;
constexpr SIZE_T NETFILT_BUFFER_BYTES = 128;

static BLOCK_LIST NetfiltCloneList;

extern "C" {
volatile DRIVER_COUNTERS NetfiltClones;
volatile DRIVER_COUNTERS NetfiltHeaders;

__attribute__((noinline)) VOID NetfiltDropPacket(VOID) {
    PVOID clone = ExAllocatePoolWithTag(NonPagedPoolNx, NETFILT_BUFFER_BYTES, NETFILT_TAG);
    CountAllocation(&NetfiltClones, clone, NETFILT_BUFFER_BYTES);
    if (clone != nullptr) {
        PushBlock(&NetfiltCloneList, clone);
    }
}

__attribute__((noinline)) VOID NetfiltPassPacket(VOID) {
    PVOID header = ExAllocatePoolWithTag(NonPagedPoolNx, NETFILT_BUFFER_BYTES, NETFILT_TAG);
    CountAllocation(&NetfiltHeaders, header, NETFILT_BUFFER_BYTES);
    if (header != nullptr) {
        ExFreePoolWithTag(header, NETFILT_TAG);
        CountFree(&NetfiltHeaders, NETFILT_BUFFER_BYTES);
    }
}

__attribute__((noinline)) VOID NetfiltServe(VOID) {
    for (ULONG i = 0; i < NETFILT_PASSED; i++) {
        NetfiltPassPacket();
    }
    for (ULONG i = 0; i < NETFILT_DROPPED; i++) {
        NetfiltDropPacket();
    }
}

__attribute__((noinline)) VOID NetfiltWorker(PVOID) {
    for (;;) {
        DriverSleep(NETFILT_ROUND);
        NetfiltServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (ULONG i = 0; i < DRIVER_WARM_UP; i++) {
        NetfiltServe();
    }
    return DriverStartThread(NetfiltWorker);
}
}
