#include "tailwrap.h"

constexpr ULONG TW_TAG_SESSION = DriverTag("TwSe");
constexpr ULONG TW_TAG_EVENT = DriverTag("TwEv");
constexpr ULONG TW_TAG_BUFFER = DriverTag("TwBf");

constexpr LONGLONG TW_ROUND = 60; // ms
constexpr ULONG TW_SESSIONS = 2;  // in a round, on the average
constexpr ULONG TW_EVENTS = 1;
constexpr ULONG TW_BUFFERS = 3;
constexpr SIZE_T TW_SESSION_BYTES = 112;
constexpr SIZE_T TW_EVENT_BYTES = 72;
constexpr SIZE_T TW_BUFFER_BYTES = 512;

static BLOCK_LIST TwSessionList;
static BLOCK_LIST TwEventList;
static BLOCK_RING TwBufferRing;
static DRIVER_RANDOM TwRandom = {89};

extern "C" {
volatile DRIVER_COUNTERS TwSessions;
volatile DRIVER_COUNTERS TwEvents;
volatile DRIVER_COUNTERS TwBuffers;

__attribute__((noinline)) PVOID TwNewSession(VOID) {
    return TwAllocateBounded(NonPagedPoolNx, TW_SESSION_BYTES, TW_TAG_SESSION);
}

// Opens a session that nobody closes.
__attribute__((noinline)) VOID TwOpenSession(VOID) {
    PVOID session = TwNewSession();
    CountAllocation(&TwSessions, session, TW_SESSION_BYTES);
    if (session != nullptr) {
        PushBlock(&TwSessionList, session);
    }
}

// Keeps an event for a reader who never comes.
__attribute__((noinline)) VOID TwLogEvent(VOID) {
    PVOID event = TwAllocate(NonPagedPoolNx, TW_EVENT_BYTES, TW_TAG_EVENT);
    CountAllocation(&TwEvents, event, TW_EVENT_BYTES);
    if (event != nullptr) {
        PushBlock(&TwEventList, event);
    }
}

__attribute__((noinline)) VOID TwQueueBuffer(VOID) {
    PVOID buffer = TwAllocateBounded(NonPagedPoolNx, TW_BUFFER_BYTES, TW_TAG_BUFFER);
    CountAllocation(&TwBuffers, buffer, TW_BUFFER_BYTES);
    if (buffer == nullptr) {
        return;
    }
    if (PVOID oldest = RingExchange(&TwBufferRing, buffer)) {
        TwFree(oldest, TW_TAG_BUFFER);
        CountFree(&TwBuffers, TW_BUFFER_BYTES);
    }
}

__attribute__((noinline)) VOID TwServe(VOID) {
    for (ULONG i = DriverLoad(&TwRandom, TW_SESSIONS); i != 0; i--) {
        TwOpenSession();
    }
    for (ULONG i = 0; i < TW_BUFFERS; i++) {
        TwQueueBuffer();
    }
    for (ULONG i = DriverLoad(&TwRandom, TW_EVENTS); i != 0; i--) {
        TwLogEvent();
    }
}

__attribute__((noinline)) VOID TwWorker(PVOID) {
    for (;;) {
        DriverSleep(TW_ROUND);
        TwServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += TW_ROUND) {
        TwServe();
    }
    return DriverStartThread(TwWorker);
}
}
