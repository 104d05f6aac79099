// The practice drivers, run on the host's pool: the rows that the scenario must show, and that balanced sites balance.
#include "lookaside.h"
#include "pool_machine.h"

#include <gtest/gtest.h>

extern "C" {
NTSTATUS LeakyEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS TronEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS IonEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS GlacierEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS GgbEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS BgEntry(PDRIVER_OBJECT, PUNICODE_STRING);
NTSTATUS LateEntry(PDRIVER_OBJECT, PUNICODE_STRING);
extern volatile ULONG64 LeakyLiveBlocks, LeakyLiveBytes, LeakyReportBlocks, LeakyReportBytes, LeakyEventBlocks,
    LeakyStreamBlocks;
extern volatile ULONG64 LeakyAllocations, LeakyFrees, TronLiveBytes, IonLiveBytes, GlacierLiveBlocks, GgbLiveBytes;
extern volatile ULONG64 BgLookasideMisses, BgRequestsServed, LateLiveBlocks;
}

namespace {

using namespace lab_test;

struct EndOfTest {};

std::vector<PKSTART_ROUTINE> threads;
int ticks_left = 0;

// Runs a driver's thread for a number of its ticks.
void run_thread(PKSTART_ROUTINE start, int ticks) {
    ticks_left = ticks;
    try {
        start(nullptr);
    } catch (const EndOfTest&) {
    }
}

ULONG tag_of(const char* text) {
    return ExpTag(text[0], text[1], text[2], text[3]);
}

std::int64_t live(const Usage& usage) {
    return usage.allocs - usage.frees;
}

// The drivers keep their state in globals, so one boot serves all checks.
TEST(LabDrivers, ScenarioShowsThePagesRows) {
    start_pool(true, 1024, 4, 256);
    DRIVER_OBJECT object = {};
    EXPECT_EQ(BgEntry(&object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(LeakyEntry(&object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(TronEntry(&object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(IonEntry(&object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(GlacierEntry(&object, nullptr), STATUS_SUCCESS);
    EXPECT_EQ(GgbEntry(&object, nullptr), STATUS_SUCCESS);
    ASSERT_EQ(check_pool(), "");

    struct Row {
        const char* tag;
        std::int64_t blocks, bytes;
    };
    const Row rows[] = {{"Abc ", 36405, 33930272},
                        {"Tron", 552, 7863232},
                        {"IoN7", 10939, 998432},
                        {"Gla5", 2222, 924352},
                        {"Ggb ", 22, 828384}};
    std::map<ULONG, TagUsage> usage = tag_usage();
    for (const Row& row : rows) {
        const TagUsage found = usage[tag_of(row.tag)];
        EXPECT_EQ(live(found.paged), row.blocks) << row.tag;
        EXPECT_EQ(found.paged.bytes, row.bytes) << row.tag;
        EXPECT_EQ(live(found.nonpaged), row.tag == std::string("Gla5") ? 1 : 0);
        EXPECT_EQ(found.nonpaged.bytes, row.tag == std::string("Gla5") ? 128 : 0);
        usage.erase(tag_of(row.tag));
    }
    for (const auto& [tag, found] : usage)
        EXPECT_LT(found.paged.bytes, 828384) << std::hex << tag;

    const Usage blocks = walk_small_blocks(true)[tag_of("Abc ")];
    EXPECT_EQ(blocks.allocs, 36405);
    EXPECT_EQ(blocks.bytes, 33930272);
    EXPECT_EQ(LeakyLiveBlocks, 36405U);
    EXPECT_EQ(LeakyLiveBytes, 33930272U);
    EXPECT_EQ(TronLiveBytes, 7863232U);
    EXPECT_EQ(IonLiveBytes, 998432U);
    EXPECT_EQ(GlacierLiveBlocks, 2223U);
    EXPECT_EQ(GgbLiveBytes, 828384U);
    EXPECT_LT(pages_in_use(true) + pages_in_use(false), 15000U) << "must fit the machine";

    ASSERT_EQ(threads.size(), 2U);
    const std::uint64_t events_before = LeakyAllocations + LeakyFrees;
    run_thread(threads[1], 100);
    EXPECT_EQ(LeakyAllocations + LeakyFrees - events_before, 2400U);
    EXPECT_EQ(LeakyLiveBlocks, 36605U);
    EXPECT_EQ(LeakyEventBlocks, 32U);
    EXPECT_EQ(LeakyStreamBlocks, 32U);
    const TagUsage abc = tag_usage()[tag_of("Abc ")];
    EXPECT_EQ(live(abc.paged), 36605);
    EXPECT_EQ(abc.paged.bytes, static_cast<std::int64_t>(LeakyLiveBytes));
    EXPECT_EQ(abc.paged.allocs, static_cast<std::int64_t>(LeakyAllocations));

    run_thread(threads[0], 200);
    EXPECT_EQ(BgRequestsServed, 1200U);
    EXPECT_GT(BgLookasideMisses, 0U);
    const Usage requests = tag_usage()[tag_of("BgRq")].nonpaged;
    EXPECT_LE(live(requests), 6);
    EXPECT_LT(requests.allocs, 1200) << "the list must save trips to the pool";
    EXPECT_EQ(check_pool(), "");

    EXPECT_EQ(LateEntry(&object, nullptr), STATUS_SUCCESS);
    object.DriverUnload(&object);
    EXPECT_EQ(live(tag_usage()[tag_of("Late")].nonpaged), 3);
    EXPECT_EQ(LateLiveBlocks, 3U);
}

TEST(LabLookaside, RecyclesUpToItsDepth) {
    start_pool();
    PAGED_LOOKASIDE_LIST list;
    ExInitializePagedLookasideList(&list, nullptr, nullptr, 0, 100, tag_of("Look"), 0);
    void* blocks[6];
    for (void*& block : blocks)
        block = ExAllocateFromPagedLookasideList(&list);
    for (void* block : blocks)
        ExFreeToPagedLookasideList(&list, block);
    EXPECT_EQ(ExQueryDepthSList(&list.L.ListHead), 4U);
    EXPECT_EQ(tag_usage()[tag_of("Look")].paged, (Usage{6, 2, 4 * 128}));
    EXPECT_EQ(ExAllocateFromPagedLookasideList(&list), blocks[3]);
    EXPECT_EQ(list.L.AllocateMisses, 6U);
    ExDeletePagedLookasideList(&list);
    EXPECT_EQ(tag_usage()[tag_of("Look")].paged, (Usage{6, 5, 128}));
}

} // namespace

extern "C" NTSTATUS PsCreateSystemThread(PHANDLE, ULONG, PVOID, HANDLE, PVOID, PKSTART_ROUTINE start, PVOID) {
    threads.push_back(start);
    return STATUS_SUCCESS;
}

extern "C" NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE, BOOLEAN, PLARGE_INTEGER) {
    if (ticks_left-- == 0) throw EndOfTest{};
    return STATUS_SUCCESS;
}
