#include "wrapped.h"

constexpr ULONG WRAPPED_TAG_SESSION = DriverTag("WrSe");
constexpr ULONG WRAPPED_TAG_LOG = DriverTag("WrLg");
constexpr ULONG WRAPPED_TAG_PACKET = DriverTag("WrPk");
constexpr ULONG WRAPPED_TAG_NAME = DriverTag("WrNm");

constexpr LONGLONG WRAPPED_ROUND = 50; // ms
constexpr ULONG WRAPPED_SESSIONS = 2;  // in a round, on the average
constexpr ULONG WRAPPED_PACKETS = 4;
constexpr ULONG WRAPPED_ENTRIES = 1; // of the log
constexpr SIZE_T WRAPPED_SESSION_BYTES = 144;
constexpr SIZE_T WRAPPED_PACKET_BYTES = 320;
constexpr SIZE_T WRAPPED_LOG_SMALLEST = 40;
constexpr ULONG WRAPPED_LOG_SPREAD = 64;
constexpr SIZE_T WRAPPED_NAME_BYTES = 60;
constexpr ULONG WRAPPED_NAMES = 25;

static BLOCK_LIST WrappedSessionList;
static BLOCK_LIST WrappedLogList;
static BLOCK_LIST WrappedNameList;
static BLOCK_RING WrappedPacketRing;
static DRIVER_RANDOM WrappedRandom = {67};

extern "C" {
volatile DRIVER_COUNTERS WrappedSessions;
volatile DRIVER_COUNTERS WrappedLog;
volatile DRIVER_COUNTERS WrappedPackets;
volatile DRIVER_COUNTERS WrappedNames;

// Opens a session that nobody closes.
__attribute__((noinline)) VOID WrappedOpenSession(VOID) {
    PVOID session = MyAlloc(NonPagedPoolNx, WRAPPED_SESSION_BYTES, WRAPPED_TAG_SESSION);
    CountAllocation(&WrappedSessions, session, WRAPPED_SESSION_BYTES);
    if (session != nullptr) {
        PushBlock(&WrappedSessionList, session);
    }
}

// Writes an entry to a log that is never cut.
__attribute__((noinline)) VOID WrappedWriteLog(SIZE_T Bytes) {
    PVOID entry = MyAllocZeroed(Bytes, WRAPPED_TAG_LOG);
    CountAllocation(&WrappedLog, entry, Bytes);
    if (entry != nullptr) {
        PushBlock(&WrappedLogList, entry);
    }
}

__attribute__((noinline)) VOID WrappedQueuePacket(VOID) {
    PVOID packet = MyAllocZeroed(WRAPPED_PACKET_BYTES, WRAPPED_TAG_PACKET);
    CountAllocation(&WrappedPackets, packet, WRAPPED_PACKET_BYTES);
    if (packet == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&WrappedPacketRing, packet)) {
        MyFree(oldest, WRAPPED_TAG_PACKET);
        CountFree(&WrappedPackets, WRAPPED_PACKET_BYTES);
    }
}

__attribute__((noinline)) VOID WrappedCacheName(VOID) {
    PVOID name = MyAlloc(PagedPool, WRAPPED_NAME_BYTES, WRAPPED_TAG_NAME);
    CountAllocation(&WrappedNames, name, WRAPPED_NAME_BYTES);
    if (name != nullptr) {
        PushBlock(&WrappedNameList, name);
    }
}

__attribute__((noinline)) VOID WrappedServe(VOID) {
    for (ULONG i = DriverLoad(&WrappedRandom, WRAPPED_SESSIONS); i != 0; i--) {
        WrappedOpenSession();
    }
    for (ULONG i = 0; i < WRAPPED_PACKETS; i++) {
        WrappedQueuePacket();
    }
    for (ULONG i = DriverLoad(&WrappedRandom, WRAPPED_ENTRIES); i != 0; i--) {
        WrappedWriteLog(WRAPPED_LOG_SMALLEST + DriverRandom(&WrappedRandom, WRAPPED_LOG_SPREAD));
    }
}

__attribute__((noinline)) VOID WrappedWorker(PVOID) {
    for (;;) {
        DriverSleep(WRAPPED_ROUND);
        WrappedServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (ULONG i = 0; i < WRAPPED_NAMES; i++) {
        WrappedCacheName();
    }
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += WRAPPED_ROUND) {
        WrappedServe();
    }
    return DriverStartThread(WrappedWorker);
}
}
