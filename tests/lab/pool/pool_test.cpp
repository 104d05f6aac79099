// The practice kernel's pool: blocks, tag counters, big pages, the stop at a tag, and the stops at misuse.
#include "pool_machine.h"

#include <gtest/gtest.h>

#include <random>

namespace {

using namespace lab_test;

constexpr ULONG tag_abc = ExpTag('A', 'b', 'c', ' ');
constexpr ULONG tag_big = ExpTag('B', 'i', 'g', '1');

POOL_HEADER& header_of(void* block) {
    return static_cast<PPOOL_HEADER>(block)[-1];
}

TEST(LabPool, SmallBlockHasHeaderOfTheRoundedSize) {
    start_pool();
    for (const SIZE_T bytes : {0U, 1U, 8U, 16U, 17U, 240U, 4063U, 4064U}) {
        void* block = ExAllocatePoolWithTag(PagedPool, bytes, tag_abc);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 16, 0U);
        const SIZE_T units = (std::max<SIZE_T>(bytes, 1) + 15) / 16 + 1;
        EXPECT_EQ(header_of(block).BlockSize, units) << bytes;
        EXPECT_EQ(header_of(block).PoolType, 3U);
        EXPECT_EQ(header_of(block).PoolTag, tag_abc);
    }
    EXPECT_EQ(header_of(ExAllocatePoolWithTag(NonPagedPoolNx, 10, tag_abc)).PoolType, 2U);
    EXPECT_EQ(header_of(ExAllocatePoolWithTag(NonPagedPoolCacheAligned, 10, tag_abc)).PoolType, 6U);
    EXPECT_EQ(check_pool(), "");
}

TEST(LabPool, SplitTakesFrontOfPageThenTailsOfTheRest) {
    start_pool();
    const SIZE_T tables = pages_in_use(false);
    auto* first = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc));
    auto* second = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % PAGE_SIZE, 16U);
    EXPECT_EQ(second, first + PAGE_SIZE - 64);
    EXPECT_EQ(pages_in_use(false), tables + 1);
    EXPECT_EQ(check_pool(), "");
}

TEST(LabPool, WholeFreePageLeavesThePool) {
    start_pool();
    void* first = ExAllocatePoolWithTag(PagedPool, 100, tag_abc);
    void* second = ExAllocatePoolWithTag(PagedPool, 100, tag_abc);
    void* third = ExAllocatePoolWithTag(PagedPool, 100, tag_abc);
    EXPECT_EQ(pages_in_use(true), 2U); // two paged pools take turns
    ExFreePool(second);
    EXPECT_EQ(pages_in_use(true), 1U);
    ExFreePool(third);
    EXPECT_EQ(check_pool(), "");
    ExFreePool(first);
    EXPECT_EQ(pages_in_use(true), 0U);
}

TEST(LabPool, NoPageLeftReturnsNull) {
    start_pool();
    limit_pages(0);
    EXPECT_EQ(ExAllocatePoolWithTag(PagedPool, 100, tag_abc), nullptr);
    EXPECT_EQ(ExAllocatePoolWithTag(PagedPool, 10000, tag_abc), nullptr);
    EXPECT_EQ(ExAllocatePoolWithTag(PagedPool, SIZE_T(0) - 1, tag_abc), nullptr);
    EXPECT_EQ(tag_usage().count(tag_abc), 0U);
    EXPECT_EQ(locks_held(), 0);
}

TEST(LabPool, Pool2ZeroesAndChoosesThePool) {
    start_pool();
    auto* dirty = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 64, tag_abc));
    memset(dirty, 0xAA, 64);
    ExFreePool(dirty);
    auto* clean = static_cast<UCHAR*>(ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, tag_abc));
    ASSERT_NE(clean, nullptr);
    for (int i = 0; i < 64; ++i)
        ASSERT_EQ(clean[i], 0);
    EXPECT_EQ(header_of(ExAllocatePool2(POOL_FLAG_PAGED, 64, tag_abc)).PoolType, 3U);
    EXPECT_EQ(ExAllocatePool2(POOL_FLAG_PAGED, 64, 0), nullptr);
    EXPECT_EQ(ExAllocatePool2(0, 64, tag_abc), nullptr);
    EXPECT_EQ(header_of(ExAllocatePool(PagedPool, 64)).PoolTag, ExpTag('N', 'o', 'n', 'e'));
}

// Random allocations and frees, compared with a list of what must be live.
struct Live {
    UCHAR* address;
    SIZE_T bytes;
    ULONG tag;
    bool paged;
    UCHAR fill;
};

SIZE_T charged(SIZE_T bytes) {
    return bytes > 4064 ? (bytes + 4095) / 4096 * 4096 : (std::max<SIZE_T>(bytes, 1) + 31) / 16 * 16;
}

class PoolStress : public ::testing::TestWithParam<int> {
  protected:
    void allocate(std::mt19937& random) {
        const SIZE_T bytes = random() % 12 == 0 ? random() % 20000 : random() % 600;
        const ULONG tag =
            ExpTag('T', 'a', static_cast<char>('a' + random() % 8), static_cast<char>('0' + random() % 10));
        const bool paged = random() % 2 == 0;
        auto* address = static_cast<UCHAR*>(ExAllocatePoolWithTag(paged ? PagedPool : NonPagedPoolNx, bytes, tag));
        ASSERT_NE(address, nullptr);
        const UCHAR fill = static_cast<UCHAR>(random());
        memset(address, fill, bytes);
        live_.push_back({address, bytes, tag, paged, fill});
        Usage& usage = paged ? model_[tag].paged : model_[tag].nonpaged;
        usage.allocs++;
        usage.bytes += static_cast<std::int64_t>(charged(bytes));
    }

    void release(std::mt19937& random) {
        std::swap(live_[random() % live_.size()], live_.back());
        const Live block = live_.back();
        live_.pop_back();
        for (SIZE_T i = 0; i < block.bytes; ++i)
            ASSERT_EQ(block.address[i], block.fill) << "content damaged";
        ExFreePoolWithTag(block.address, random() % 2 == 0 ? block.tag : 0);
        Usage& usage = block.paged ? model_[block.tag].paged : model_[block.tag].nonpaged;
        usage.frees++;
        usage.bytes -= static_cast<std::int64_t>(charged(block.bytes));
    }

    void check() {
        ASSERT_EQ(check_pool(), "");
        std::map<ULONG, TagUsage> usage = tag_usage();
        usage.erase(ExpTagPool);
        ASSERT_EQ(usage, model_);
        std::map<ULONG, Usage> blocks[2];
        for (const Live& block : live_) {
            if (block.bytes > 4064) continue;
            Usage& sum = blocks[block.paged ? 1 : 0][block.tag];
            sum.allocs++;
            sum.bytes += static_cast<std::int64_t>(charged(block.bytes));
        }
        ASSERT_EQ(walk_small_blocks(false), blocks[0]);
        ASSERT_EQ(walk_small_blocks(true), blocks[1]);
    }

    std::vector<Live> live_;
    std::map<ULONG, TagUsage> model_;
};

TEST_P(PoolStress, AgreesWithModel) {
    start_pool(true, 64, 4, 8);
    std::mt19937 random(static_cast<unsigned>(GetParam()));
    for (int step = 0; step < 6000; ++step) {
        const bool grow = step % 2000 < 1200;
        if (live_.empty() || random() % 100 < (grow ? 65U : 35U)) {
            allocate(random);
        } else {
            release(random);
        }
        if (HasFatalFailure()) return;
        if (step % 500 == 0) check();
        if (HasFatalFailure()) return;
    }
    while (!live_.empty() && !HasFatalFailure())
        release(random);
    check();
    EXPECT_EQ(pages_in_use(true), 0U);
    EXPECT_EQ(ExpPoolBigEntriesInUse, 0U);
}
INSTANTIATE_TEST_SUITE_P(Seeds, PoolStress, ::testing::Range(1, 7));

TEST(LabPoolBig, EntryNamesPagesAndSlush) {
    start_pool();
    void* block = ExAllocatePoolWithTag(PagedPool, 4065, tag_big);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % PAGE_SIZE, 0U);
    POOL_TRACKER_BIG_PAGES entry;
    ASSERT_TRUE(ExpFindTagForBigPages(block, FALSE, &entry));
    EXPECT_EQ(entry.Key, tag_big);
    EXPECT_EQ(entry.NumberOfBytes, 4096U);
#if LAB_ERA >= 10
    EXPECT_EQ(entry.SlushSize, 31U);
#endif
    EXPECT_EQ(entry.PoolType, 1U);
    EXPECT_EQ(ExpPoolBigEntriesInUse, 1U);
    ExFreePoolWithTag(block, tag_big);
    EXPECT_FALSE(ExpFindTagForBigPages(block, FALSE, &entry));
    EXPECT_EQ(ExpPoolBigEntriesInUse, 0U);
    bool history = false;
    for (SIZE_T i = 0; i < PoolBigPageTableSize; ++i) {
        history |= PoolBigPageTable[i].Va == (reinterpret_cast<std::uintptr_t>(block) | 1) &&
                   PoolBigPageTable[i].Key == tag_big;
    }
    EXPECT_TRUE(history);
}

TEST(LabPoolBig, EntriesMayHoldPoolFlags) {
    boot_pool(0x400, {{"bigtypes", "flags"}});
    void* paged = ExAllocatePoolWithTag(PagedPool, 5000, tag_big);
    void* nonpaged = ExAllocatePoolWithTag(NonPagedPoolNx, 5000, tag_big);
    void* executable = ExAllocatePoolWithTag(NonPagedPool, 5000, tag_big);
    std::map<std::uintptr_t, ULONG> stored;
    for (SIZE_T i = 0; i < PoolBigPageTableSize; ++i) {
        stored[PoolBigPageTable[i].Va] = PoolBigPageTable[i].PoolType;
    }
    EXPECT_EQ(stored[reinterpret_cast<std::uintptr_t>(paged)], 0x100U);
    EXPECT_EQ(stored[reinterpret_cast<std::uintptr_t>(nonpaged)], 0x40U);
    EXPECT_EQ(stored[reinterpret_cast<std::uintptr_t>(executable)], 0x80U);
    for (void* block : {paged, nonpaged, executable}) {
        ExFreePoolWithTag(block, tag_big);
    }
    EXPECT_EQ(ExpPoolBigEntriesInUse, 0U);
    EXPECT_EQ(pages_in_use(true), 0U) << "each went back to its own pool";
    EXPECT_EQ(tag_usage()[tag_big].paged.frees, 1);
    EXPECT_EQ(tag_usage()[tag_big].nonpaged.frees, 2);
}

TEST(LabPoolBig, TableGrowsWhenFullAndStaysCharged) {
    start_pool(true, 1024, 4, 8);
    std::vector<void*> blocks;
    for (int i = 0; i < 300; ++i)
        blocks.push_back(ExAllocatePoolWithTag(NonPagedPoolNx, 5000, tag_big));
    EXPECT_EQ(PoolBigPageTableSize, 512U);
    EXPECT_EQ(ExpPoolBigEntriesInUse, 300U);
    const SIZE_T tracker = ExpRoundToPages(1025 * sizeof(POOL_TRACKER_TABLE));
    const SIZE_T big = ExpRoundToPages(512 * sizeof(POOL_TRACKER_BIG_PAGES));
    EXPECT_EQ(tag_usage()[ExpTagPool].nonpaged.bytes, static_cast<std::int64_t>(2 * tracker + big));
    EXPECT_EQ(pages_in_use(false) * PAGE_SIZE, 2 * tracker + big + 300 * 8192);
    for (void* block : blocks)
        ExFreePool(block);
    EXPECT_EQ(pages_in_use(false) * PAGE_SIZE, 2 * tracker + big);
}

TEST(LabPoolTracker, HashAsInNt) {
    start_pool(true, 2048);
    const std::pair<const char*, SIZE_T> vectors[] = {{"Frag", 0x40E}, {"Proc", 0x633}, {"File", 0x244},
                                                      {"Ntfs", 0x396}, {"Pool", 0x5A5}, {"Cont", 0x3DA},
                                                      {"None", 0x74D}};
    for (const auto& [text, index] : vectors) {
        const ULONG tag = ExpTag(text[0], text[1], text[2], text[3]);
        ExAllocatePoolWithTag(PagedPool, 8, tag);
        EXPECT_EQ(PoolTrackTable[index].Key, static_cast<LONG>(tag)) << text;
    }
    EXPECT_EQ(PoolTrackTableSize, 2049U);
}

TEST(LabPoolTracker, OverflowsIntoExpansionAndThenIntoLastElement) {
    start_pool(true, 8, 1);
    const SIZE_T expansion = PAGE_SIZE / sizeof(POOL_TRACKER_TABLE);
    std::vector<std::pair<void*, ULONG>> blocks;
    const int tags = 8 - 1 + static_cast<int>(expansion) + 5; // 'Pool' has a slot already
    for (int i = 0; i < tags; ++i) {
        const ULONG tag = ExpTag('X', static_cast<char>('A' + i / 26), static_cast<char>('a' + i % 26), ' ');
        blocks.emplace_back(ExAllocatePoolWithTag(PagedPool, 100, tag), tag);
    }
    EXPECT_EQ(PoolTrackTableExpansionSize, expansion);
    EXPECT_EQ(tag_usage()[ExpTagOverflow].paged, (Usage{5, 0, 5 * 128}));
    EXPECT_EQ(tag_usage()[blocks[20].second].paged, (Usage{1, 0, 128}));
    for (const auto& [block, tag] : blocks)
        ExFreePoolWithTag(block, tag);
    EXPECT_EQ(tag_usage()[ExpTagOverflow].paged, (Usage{5, 5, 0}));
    EXPECT_EQ(tag_usage()[blocks[20].second].paged, (Usage{1, 1, 0}));
}

TEST(LabPoolTracker, ProtectedBitIsNotPartOfTheTag) {
    start_pool();
    void* block = ExAllocatePoolWithTag(PagedPool, 8, tag_abc | 0x80000000);
    EXPECT_EQ(header_of(block).PoolTag, tag_abc | 0x80000000);
    EXPECT_EQ(tag_usage()[tag_abc].paged, (Usage{1, 0, 32}));
    ExFreePoolWithTag(block, tag_abc);
    EXPECT_EQ(tag_usage()[tag_abc].paged, (Usage{1, 1, 0}));
}

TEST(LabPoolTracker, WithoutTaggingNothingIsCounted) {
    start_pool(false);
    PoolHitTag = tag_abc;
    void* block = ExAllocatePoolWithTag(PagedPool, 8, tag_abc);
    EXPECT_EQ(header_of(block).PoolTag, tag_abc);
    ExFreePool(block);
    EXPECT_EQ(PoolTrackTable, nullptr);
    EXPECT_EQ(breakpoints_hit(), 0);
    EXPECT_EQ(check_pool(), "");
}

TEST(LabPoolTracker, BootOptionsSetTheSizes) {
    boot_pool(0x400, {});
    EXPECT_EQ(PoolTrackTableSize, 1025U);
    EXPECT_EQ(PoolBigPageTableSize, 256U);
    boot_pool(0x400, {{"tracker", "64"}, {"bigpages", "512"}});
    EXPECT_EQ(PoolTrackTableSize, 65U);
    EXPECT_EQ(PoolTrackTableMask, 63U);
    EXPECT_EQ(PoolBigPageTableSize, 512U);
    boot_pool(0x400, {{"tracker", "100"}, {"bigpages", "12x"}});
    EXPECT_EQ(PoolTrackTableSize, 1025U);
    EXPECT_EQ(PoolBigPageTableSize, 256U);
    boot_pool(0, {});
    EXPECT_EQ(PoolTrackTable, nullptr);
}

TEST(LabPoolHitTag, StopsAtAllocationAndFreeOfSmallAndBig) {
    start_pool();
    PoolHitTag = tag_abc;
    void* small = ExAllocatePoolWithTag(PagedPool, 8, tag_abc);
    EXPECT_EQ(breakpoints_hit(), 1);
    void* big = ExAllocatePoolWithTag(PagedPool, 8000, tag_abc | 0x80000000);
    EXPECT_EQ(breakpoints_hit(), 2);
    void* other = ExAllocatePoolWithTag(PagedPool, 8, tag_big);
    ExFreePool(other);
    EXPECT_EQ(breakpoints_hit(), 2);
    ExFreePoolWithTag(big, tag_abc);
    ExFreePool(small);
    EXPECT_EQ(breakpoints_hit(), 4);
}

template <typename Action>
BugCheck bug_check_of(Action action) {
    try {
        action();
    } catch (const BugCheck& stop) {
        return stop;
    }
    return {};
}

TEST(LabPoolMisuse, WrongTagOnFree) {
    start_pool();
    for (const SIZE_T bytes : {100U, 5000U}) {
        void* block = ExAllocatePoolWithTag(PagedPool, bytes, tag_abc);
        const BugCheck stop = bug_check_of([&] { ExFreePoolWithTag(block, tag_big); });
        EXPECT_EQ(stop.code, 0xC2U);
        EXPECT_EQ(stop.parameters[0], 0xAU);
        EXPECT_EQ(stop.parameters[1], reinterpret_cast<std::uintptr_t>(block));
        EXPECT_EQ(stop.parameters[2], tag_abc);
        EXPECT_EQ(stop.parameters[3], tag_big);
        ExFreePoolWithTag(block, tag_abc);
        void* protected_block = ExAllocatePoolWithTag(PagedPool, bytes, tag_abc | 0x80000000);
        EXPECT_EQ(bug_check_of([&] { ExFreePool(protected_block); }).parameters[0], 0xAU);
    }
}

TEST(LabPoolMisuse, DoubleFree) {
    start_pool();
    void* keeps_page = ExAllocatePoolWithTag(NonPagedPoolNx, 100, tag_abc);
    void* block = ExAllocatePoolWithTag(NonPagedPoolNx, 100, tag_abc);
    void* big = ExAllocatePoolWithTag(NonPagedPoolNx, 8000, tag_abc);
    ExFreePool(block);
    ExFreePool(big);
    const BugCheck stop = bug_check_of([&] { ExFreePool(block); });
    EXPECT_EQ(stop.code, 0xC2U);
    EXPECT_EQ(stop.parameters[0], 7U);
    EXPECT_EQ(stop.parameters[3], reinterpret_cast<std::uintptr_t>(block));
    EXPECT_EQ(bug_check_of([&] { ExFreePool(big); }).parameters[0], 0x22U);
    EXPECT_EQ(bug_check_of([&] { ExFreePool(keeps_page); }).code, 0U);
}

TEST(LabPoolMisuse, DamagedHeader) {
    start_pool();
    for (const int damage : {0, 1, 2}) {
        void* first = ExAllocatePoolWithTag(NonPagedPoolNx, 100, tag_abc);
        auto* second = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 100, tag_abc));
        if (damage == 0) header_of(second).BlockSize = 3;
        if (damage == 1) header_of(second).BlockSize = 0;
        if (damage == 2) header_of(second).PreviousSize = 255;
        const BugCheck stop = bug_check_of([&] { ExFreePool(second); });
        EXPECT_EQ(stop.code, 0x19U) << damage;
        EXPECT_EQ(stop.parameters[0], damage == 2 ? 6U : 0x20U);
        EXPECT_EQ(stop.parameters[1], reinterpret_cast<std::uintptr_t>(second) - 16);
        EXPECT_EQ(locks_held(), 0);
        EXPECT_NE(first, nullptr);
        start_pool();
    }
}

TEST(LabPoolMisuse, OverrunOfBlockAndOfBigPages) {
    start_pool();
    ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc);
    ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc);
    auto* block = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc));
    memset(block, 0x41, 64); // over the next header
    EXPECT_EQ(bug_check_of([&] { ExFreePool(block); }).code, 0x19U);
#if LAB_ERA >= 10
    start_pool();
    auto* big = static_cast<UCHAR*>(ExAllocatePoolWithTag(NonPagedPoolNx, 5000, tag_abc));
    big[5000] = 0;
    const BugCheck stop = bug_check_of([&] { ExFreePool(big); });
    EXPECT_EQ(stop.code, 0x19U);
    EXPECT_EQ(stop.parameters[0], 0x21U);
#endif
}

TEST(LabPoolMisuse, DamagedFreeList) {
    start_pool();
    void* keeps_page = ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc);
    auto** freed = static_cast<void**>(ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc));
    ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc);
    ExFreePool(freed);
    std::uint64_t wrong[2] = {0, 0};
    freed[0] = wrong;
    const BugCheck stop = bug_check_of([] { ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc); });
    EXPECT_EQ(stop.code, 0x19U);
    EXPECT_EQ(stop.parameters[0], 3U);
    EXPECT_NE(keeps_page, nullptr);
}

TEST(LabPoolMisuse, AddressOrLevelThatCannotBe) {
    start_pool();
    auto* block = static_cast<UCHAR*>(ExAllocatePoolWithTag(PagedPool, 48, tag_abc));
    int local = 0;
    EXPECT_EQ(bug_check_of([&] { ExFreePool(&local); }).parameters[0], 0x42U);
    EXPECT_EQ(bug_check_of([&] { ExFreePool(nullptr); }).parameters[0], 0x42U);
    EXPECT_EQ(bug_check_of([&] { ExFreePool(block + 1); }).parameters[0], 0x46U);
    EXPECT_EQ(bug_check_of([&] { ExAllocatePoolWithTag(PagedPool, 48, 0); }).parameters[0], 0x9BU);
    set_irql(DISPATCH_LEVEL);
    EXPECT_EQ(bug_check_of([&] { ExAllocatePoolWithTag(PagedPool, 48, tag_abc); }).parameters[0], 8U);
    EXPECT_EQ(bug_check_of([&] { ExFreePool(block); }).parameters[0], 9U);
    EXPECT_NE(ExAllocatePoolWithTag(NonPagedPoolNx, 48, tag_abc), nullptr);
}

} // namespace
