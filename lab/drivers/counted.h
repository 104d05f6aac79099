// What the drivers of the scenario `hunt` share: counters of each kind of memory, and a thread that works in rounds.
#pragma once

#include "driver.h"

// The truth, for tests to read by symbol: numbers as the pool's tag counters have them. Each kind of memory that a
// driver holds has its own, changed by one thread only.
struct DRIVER_COUNTERS {
    ULONG64 LiveBlocks;
    ULONG64 LiveBytes;
    ULONG64 Allocations;
    ULONG64 Frees;
    ULONG64 Failures;
};

FORCEINLINE VOID CountAllocation(volatile DRIVER_COUNTERS* Counters, const VOID* Block, SIZE_T Request) {
    if (Block == nullptr) {
        Counters->Failures = Counters->Failures + 1;
        return;
    }
    Counters->Allocations = Counters->Allocations + 1;
    Counters->LiveBlocks = Counters->LiveBlocks + 1;
    Counters->LiveBytes = Counters->LiveBytes + TrackedBytes(Request);
}

FORCEINLINE VOID CountFree(volatile DRIVER_COUNTERS* Counters, SIZE_T Request) {
    Counters->Frees = Counters->Frees + 1;
    Counters->LiveBlocks = Counters->LiveBlocks - 1;
    Counters->LiveBytes = Counters->LiveBytes - TrackedBytes(Request);
}

constexpr LONGLONG DRIVER_HISTORY = 40'000; // ms of work that a driver has behind it when work begins

// How many to do in this round. The numbers vary, so that drivers do not seem to depend on each other.
FORCEINLINE ULONG DriverLoad(DRIVER_RANDOM* Random, ULONG Mean) {
    return DriverRandom(Random, 2 * Mean + 1);
}

FORCEINLINE VOID DriverSleep(LONGLONG Milliseconds) {
    LARGE_INTEGER interval = {};
    interval.QuadPart = Milliseconds * -10'000;
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

FORCEINLINE NTSTATUS DriverStartThread(PKSTART_ROUTINE Routine) {
    HANDLE thread = nullptr;
    return PsCreateSystemThread(&thread, 0, nullptr, nullptr, nullptr, Routine, nullptr);
}
