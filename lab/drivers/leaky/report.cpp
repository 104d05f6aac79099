#include "leaky.h"

static BLOCK_LIST LeakyReports;

// Builds a report and keeps it for a reader who never comes.
extern "C" __attribute__((noinline)) BOOLEAN LeakyBuildReport(SIZE_T Bytes) {
    PVOID report = ExAllocatePoolWithTag(PagedPool, Bytes, LEAKY_TAG);
    if (report == nullptr) {
        LeakyFailures = LeakyFailures + 1;
        return FALSE;
    }
    LeakyAllocations = LeakyAllocations + 1;
    PushBlock(&LeakyReports, report);
    LeakyCount(&LeakyReportBlocks, &LeakyReportBytes, TrackedBytes(Bytes), 1);
    return TRUE;
}
