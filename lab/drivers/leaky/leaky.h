// The driver that leaks. It serves requests with three kinds of memory, all tagged 'Abc ':
//   reports   allocated in LeakyBuildReport and never freed: the leak
//   events    allocated in LeakyQueueEvent, freed in LeakyRetireEvent
//   streams   allocated in LeakyOpenStream through the wrapper LeakyAllocateBuffer, freed in LeakyCloseStream
//             through LeakyFreeBuffer
#pragma once

#include "../driver.h"

constexpr ULONG LEAKY_TAG = DriverTag("Abc ");

// What the pool holds of this driver when work begins.
struct LEAKY_HISTORY {
    ULONG Blocks;
    ULONG Bytes;
    ULONG Spread; // see SIZE_PLAN
};

extern "C" {
// The truth, for tests: blocks and bytes as the pool counts them, in total and by call site.
extern volatile ULONG64 LeakyLiveBlocks;
extern volatile ULONG64 LeakyLiveBytes;
extern volatile ULONG64 LeakyReportBlocks;
extern volatile ULONG64 LeakyReportBytes;
extern volatile ULONG64 LeakyEventBlocks;
extern volatile ULONG64 LeakyEventBytes;
extern volatile ULONG64 LeakyStreamBlocks;
extern volatile ULONG64 LeakyStreamBytes;
extern volatile ULONG64 LeakyAllocations;
extern volatile ULONG64 LeakyFrees;
extern volatile ULONG64 LeakyFailures;

BOOLEAN LeakyBuildReport(SIZE_T Bytes);
VOID LeakyQueueEvent(VOID);
VOID LeakyRetireEvent(PVOID Event);
PVOID LeakyAllocateBuffer(SIZE_T Bytes);
VOID LeakyFreeBuffer(PVOID Buffer);
VOID LeakyOpenStream(VOID);
VOID LeakyCloseStream(PVOID Stream);
VOID LeakyFillPool(const LEAKY_HISTORY* History);
VOID LeakyServeRequests(PVOID Context);
}

// Counts a block more (Sign 1) or less (Sign -1) of Bytes bytes as the pool counts them.
VOID LeakyCount(volatile ULONG64* Blocks, volatile ULONG64* SiteBytes, SIZE_T Bytes, LONG Sign);
