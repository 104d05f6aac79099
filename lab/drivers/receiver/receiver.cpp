// Frees what handoff.sys has allocated.
#include "../handoff/handoff.h"

constexpr LONGLONG RECEIVER_ROUND = 70; // ms
constexpr ULONG RECEIVER_PACKETS = 8;   // in a round at most, more than come

extern "C" {
volatile DRIVER_COUNTERS ReceiverPackets; // live ones wrap below zero: handoff.sys counts them up

__attribute__((noinline)) VOID ReceiverConsumePacket(HANDOFF_PACKET* Packet) {
    SIZE_T bytes = Packet->Bytes;
    ExFreePoolWithTag(Packet, HANDOFF_TAG);
    CountFree(&ReceiverPackets, bytes);
}

__attribute__((noinline)) VOID ReceiverWorker(PVOID) {
    for (;;) {
        DriverSleep(RECEIVER_ROUND);
        for (ULONG i = 0; i < RECEIVER_PACKETS; i++) {
            if (HANDOFF_PACKET* packet = HandoffTakePacket()) {
                ReceiverConsumePacket(packet);
            }
        }
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    return DriverStartThread(ReceiverWorker);
}
}
