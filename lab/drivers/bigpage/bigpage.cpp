// A driver that leaks blocks of more than a page, which have no header: only the table of big pages knows them.
#include "../counted.h"

constexpr ULONG BIGPAGE_TAG_FRAME = DriverTag("BigF");   // never freed: a leak
constexpr ULONG BIGPAGE_TAG_SCRATCH = DriverTag("BigS"); // freed in the same round

constexpr LONGLONG BIGPAGE_ROUND = 120; // ms
constexpr ULONG BIGPAGE_FRAME_PAGES = 2;
constexpr ULONG BIGPAGE_SCRATCH_LARGEST = 6; // pages

static BLOCK_LIST BigpageFrameList;
static DRIVER_RANDOM BigpageRandom = {73};

extern "C" {
volatile DRIVER_COUNTERS BigpageFrames;
volatile DRIVER_COUNTERS BigpageScratch;

// Takes a frame and forgets to give it back.
__attribute__((noinline)) VOID BigpageCaptureFrame(SIZE_T Bytes) {
    PVOID frame = ExAllocatePoolWithTag(NonPagedPoolNx, Bytes, BIGPAGE_TAG_FRAME);
    CountAllocation(&BigpageFrames, frame, Bytes);
    if (frame != nullptr) {
        PushBlock(&BigpageFrameList, frame);
    }
}

__attribute__((noinline)) VOID BigpageScale(SIZE_T Bytes) {
    PVOID scratch = ExAllocatePoolWithTag(PagedPool, Bytes, BIGPAGE_TAG_SCRATCH);
    CountAllocation(&BigpageScratch, scratch, Bytes);
    if (scratch != nullptr) {
        ExFreePoolWithTag(scratch, BIGPAGE_TAG_SCRATCH);
        CountFree(&BigpageScratch, Bytes);
    }
}

__attribute__((noinline)) VOID BigpageServe(VOID) {
    BigpageCaptureFrame(RequestForPages(BIGPAGE_FRAME_PAGES, &BigpageRandom));
    ULONG pages = BIGPAGE_FRAME_PAGES + DriverRandom(&BigpageRandom, BIGPAGE_SCRATCH_LARGEST - 1);
    BigpageScale(RequestForPages(pages, &BigpageRandom));
}

__attribute__((noinline)) VOID BigpageWorker(PVOID) {
    for (;;) {
        DriverSleep(BIGPAGE_ROUND);
        BigpageServe();
    }
}

NTSTATUS DriverEntry(PDRIVER_OBJECT, PUNICODE_STRING) {
    for (LONGLONG time = 0; time < DRIVER_HISTORY; time += BIGPAGE_ROUND) {
        BigpageServe();
    }
    return DriverStartThread(BigpageWorker);
}
}
