#include "leaky.h"

constexpr SIZE_T LEAKY_STREAM_BYTES = 1000;

static BLOCK_RING LeakyStreams;

// The one place that knows where streams get their memory.
extern "C" __attribute__((noinline)) PVOID LeakyAllocateBuffer(SIZE_T Bytes) {
    PVOID buffer = ExAllocatePoolWithTag(PagedPool, Bytes, LEAKY_TAG);
    if (buffer == nullptr) {
        LeakyFailures = LeakyFailures + 1;
    } else {
        LeakyAllocations = LeakyAllocations + 1;
    }
    return buffer;
}

extern "C" __attribute__((noinline)) VOID LeakyFreeBuffer(PVOID Buffer) {
    ExFreePoolWithTag(Buffer, LEAKY_TAG);
    LeakyFrees = LeakyFrees + 1;
}

extern "C" __attribute__((noinline)) VOID LeakyCloseStream(PVOID Stream) {
    LeakyFreeBuffer(Stream);
    LeakyCount(&LeakyStreamBlocks, &LeakyStreamBytes, TrackedBytes(LEAKY_STREAM_BYTES), -1);
}

extern "C" __attribute__((noinline)) VOID LeakyOpenStream(VOID) {
    PVOID stream = LeakyAllocateBuffer(LEAKY_STREAM_BYTES);
    if (stream == nullptr) {
        return;
    }
    LeakyCount(&LeakyStreamBlocks, &LeakyStreamBytes, TrackedBytes(LEAKY_STREAM_BYTES), 1);
    PVOID oldest = RingExchange(&LeakyStreams, stream);
    if (oldest != nullptr) {
        LeakyCloseStream(oldest);
    }
}
