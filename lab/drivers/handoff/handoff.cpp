#include "handoff.h"

constexpr LONGLONG HANDOFF_ROUND = 40; // ms
constexpr ULONG HANDOFF_PACKETS = 3;   // in a round
constexpr ULONG HANDOFF_LONGEST = 60;  // packets that wait
constexpr ULONG HANDOFF_SMALLEST = 80;
constexpr ULONG HANDOFF_SPREAD = 300;

static KSPIN_LOCK HandoffLock;
static HANDOFF_PACKET* HandoffFirst;
static ULONG HandoffWaiting;
static DRIVER_RANDOM HandoffRandom = {83};

extern "C" {
volatile DRIVER_COUNTERS HandoffPackets;

__attribute__((noinline)) VOID HandoffBuildPacket(SIZE_T Bytes) {
    HANDOFF_PACKET* packet = static_cast<HANDOFF_PACKET*>(ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, HANDOFF_TAG));
    CountAllocation(&HandoffPackets, packet, Bytes);
    if (packet == nullptr) {
        return;
    }
    packet->Bytes = Bytes;
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&HandoffLock);
    packet->Next = HandoffFirst;
    HandoffFirst = packet;
    HandoffWaiting++;
    KeReleaseSpinLock(&HandoffLock, irql);
}

__attribute__((noinline)) HANDOFF_PACKET* HandoffTakePacket(VOID) {
    KIRQL irql = KeAcquireSpinLockRaiseToDpc(&HandoffLock);
    HANDOFF_PACKET* packet = HandoffFirst;
    if (packet != nullptr) {
        HandoffFirst = packet->Next;
        HandoffWaiting--;
    }
    KeReleaseSpinLock(&HandoffLock, irql);
    return packet;
}

__attribute__((noinline)) VOID HandoffServe(VOID) {
    for (ULONG i = 0; i < HANDOFF_PACKETS && HandoffWaiting < HANDOFF_LONGEST; i++) {
        HandoffBuildPacket(HANDOFF_SMALLEST + DriverRandom(&HandoffRandom, HANDOFF_SPREAD));
    }
}

__attribute__((noinline)) VOID HandoffWorker(PVOID) {
    for (;;) {
        DriverSleep(HANDOFF_ROUND);
        HandoffServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    return DriverStartThread(HandoffWorker);
}
}
