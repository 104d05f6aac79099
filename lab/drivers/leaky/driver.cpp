#include "leaky.h"

// What one round of work does to the pool: 2 allocations that stay, 5 events and 6 streams that come and go.
constexpr ULONG LEAKY_ROUND = 6;
constexpr ULONG LEAKY_REPORT_SMALLEST = 48;
constexpr ULONG LEAKY_REPORT_SPREAD = 160;

constexpr LEAKY_HISTORY LeakyLongHistory = {36405, 33930272, 50};
constexpr LEAKY_HISTORY LeakyYoungHistory = {200, 150016, 50}; // little enough for a slow line
constexpr LEAKY_HISTORY LeakyShortHistory = {8000, 1200000, 5};

extern "C" __attribute__((noinline)) VOID LeakyServeRequests(PVOID) {
    DRIVER_RANDOM random = {99};
    for (;;) {
        LARGE_INTEGER interval = {};
        interval.QuadPart = DRIVER_TICK;
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
        for (ULONG i = 0; i < LEAKY_ROUND; i++) {
            LeakyOpenStream();
            if (i != 0) {
                LeakyQueueEvent();
            }
            if (i % 3 == 1) {
                LeakyBuildReport(LEAKY_REPORT_SMALLEST + DriverRandom(&random, LEAKY_REPORT_SPREAD));
            }
        }
    }
}

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    const LEAKY_HISTORY* history = &LeakyLongHistory;
    if (KeBootOptionIs("scenario", "leak", FALSE)) {
        history = &LeakyYoungHistory;
    } else if (KeBootOptionIs("scenario", "hunt", FALSE)) {
        history = &LeakyShortHistory;
    }
    LeakyFillPool(history);
    HANDLE thread = nullptr;
    return PsCreateSystemThread(&thread, 0, nullptr, nullptr, nullptr, LeakyServeRequests, nullptr);
}
