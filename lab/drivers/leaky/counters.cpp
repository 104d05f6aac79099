#include "leaky.h"

extern "C" {
volatile ULONG64 LeakyLiveBlocks;
volatile ULONG64 LeakyLiveBytes;
volatile ULONG64 LeakyReportBlocks;
volatile ULONG64 LeakyReportBytes;
volatile ULONG64 LeakyEventBlocks;
volatile ULONG64 LeakyEventBytes;
volatile ULONG64 LeakyStreamBlocks;
volatile ULONG64 LeakyStreamBytes;
volatile ULONG64 LeakyAllocations;
volatile ULONG64 LeakyFrees;
volatile ULONG64 LeakyFailures;
}

VOID LeakyCount(volatile ULONG64* Blocks, volatile ULONG64* SiteBytes, SIZE_T Bytes, LONG Sign) {
    if (Sign > 0) {
        *Blocks = *Blocks + 1;
        *SiteBytes = *SiteBytes + Bytes;
        LeakyLiveBlocks = LeakyLiveBlocks + 1;
        LeakyLiveBytes = LeakyLiveBytes + Bytes;
    } else {
        *Blocks = *Blocks - 1;
        *SiteBytes = *SiteBytes - Bytes;
        LeakyLiveBlocks = LeakyLiveBlocks - 1;
        LeakyLiveBytes = LeakyLiveBytes - Bytes;
    }
}
