#include "leaky.h"

constexpr SIZE_T LEAKY_EVENT_BYTES = 240;

static BLOCK_RING LeakyEvents;

extern "C" __attribute__((noinline)) VOID LeakyRetireEvent(PVOID Event) {
    ExFreePoolWithTag(Event, LEAKY_TAG);
    LeakyFrees = LeakyFrees + 1;
    LeakyCount(&LeakyEventBlocks, &LeakyEventBytes, TrackedBytes(LEAKY_EVENT_BYTES), -1);
}

extern "C" __attribute__((noinline)) VOID LeakyQueueEvent(VOID) {
    PVOID event = ExAllocatePoolWithTag(PagedPool, LEAKY_EVENT_BYTES, LEAKY_TAG);
    if (event == nullptr) {
        LeakyFailures = LeakyFailures + 1;
        return;
    }
    LeakyAllocations = LeakyAllocations + 1;
    LeakyCount(&LeakyEventBlocks, &LeakyEventBytes, TrackedBytes(LEAKY_EVENT_BYTES), 1);
    PVOID oldest = RingExchange(&LeakyEvents, event);
    if (oldest != nullptr) {
        LeakyRetireEvent(oldest);
    }
}
