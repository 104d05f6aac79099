// A network filter that shares its tag with netshape.sys, and block size and pool as well. This one leaks: the clones
// of packets that it drops.
#include "../counted.h"

constexpr ULONG NETFILT_TAG = DriverTag("NetB");
constexpr LONGLONG NETFILT_ROUND = 50; // ms
constexpr ULONG NETFILT_DROPPED = 2;   // packets in a round, on the average
constexpr ULONG NETFILT_PASSED = 1;
constexpr LONGLONG NETFILT_HISTORY = 100'000; // ms: it was there long before netshape.sys
constexpr SIZE_T NETFILT_BUFFER_BYTES = 128;

static BLOCK_LIST NetfiltCloneList;
static DRIVER_RANDOM NetfiltRandom = {97};

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
    for (ULONG i = DriverLoad(&NetfiltRandom, NETFILT_DROPPED); i != 0; i--) {
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
    for (LONGLONG time = 0; time < NETFILT_HISTORY; time += NETFILT_ROUND) {
        NetfiltServe();
    }
    return DriverStartThread(NetfiltWorker);
}
}
