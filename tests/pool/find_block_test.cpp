#include "pool/find_block.h"
#include "pool/tag_counter.h"
#include "support/fake_pool.h"

#include <gtest/gtest.h>

namespace poolkd::pool {
namespace {

using testing::FakePoolKernel;

constexpr std::uint64_t page = FakePoolKernel::paged + 0x3000;

TEST(BlockFinder, KnowsABlockByItsHeader) {
    FakePoolKernel fake;
    fake.put_header(page + 0x40, 0x60, 0x40, PoolTag::from_text("Leak")->value, 3);
    fake.put_header(page + 0x200, 0x60, 0x40, PoolTag::from_text("Leak")->value, 0);
    fake.put_header(page + 0xfe0, 0x60, 0x40, PoolTag::from_text("Leak")->value, 3);
    auto finder = BlockFinder::create(*fake.kernel);
    ASSERT_TRUE(finder);
    const auto block = finder->at(*fake.kernel, VirtAddr(page + 0x50));
    ASSERT_TRUE(block);
    EXPECT_EQ(block->tag, PoolTag::from_text("Leak"));
    EXPECT_EQ(block->size, 0x60u);
    EXPECT_EQ(block->kind, PoolKind::paged);
    EXPECT_FALSE(block->big);
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr(page + 0x210))) << "free";
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr(page + 0xff0))) << "would reach into the next page";
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr(page + 0x58))) << "no body lies there";
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr(0xffffde0000000010))) << "not there";
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr()));
}

TEST(BlockFinder, KnowsABigBlockByTheTable) {
    FakePoolKernel fake;
    fake.put_big(7, page, "Leak", 0x5000, 1);
    fake.put_big(9, page + 0x1000 + 1, "Gone", 0x5000, 1); // freed
    auto finder = BlockFinder::create(*fake.kernel);
    ASSERT_TRUE(finder);
    const auto block = finder->at(*fake.kernel, VirtAddr(page));
    ASSERT_TRUE(block);
    EXPECT_TRUE(block->big);
    EXPECT_EQ(block->size, 0x5000u);
    EXPECT_EQ(block->body, VirtAddr(page));
    EXPECT_FALSE(finder->at(*fake.kernel, VirtAddr(page + 0x1000)));
}

TEST(TagCounter, SumsTheRowsOfAllProcessors) {
    FakePoolKernel fake;
    Work work;
    const PoolTag tag = *PoolTag::from_text("Leak");
    const std::uint64_t index = tracker_hash(tag) & (FakePoolKernel::rows - 2);
    auto counter = TagCounter::create(*fake.kernel, tag, work);
    ASSERT_TRUE(counter) << counter.error().message;
    auto none = counter->read(*fake.kernel);
    ASSERT_TRUE(none);
    EXPECT_EQ(none->paged.allocs, 0u);
    // Another tag sits at the place of its hash: it is one further.
    fake.put_row(FakePoolKernel::tracker, index, {"Othr", 1, 1, 0, 1, 1, 0});
    const std::uint64_t next = (index + 1) & (FakePoolKernel::rows - 2);
    fake.put_row(FakePoolKernel::tracker, next, {"Leak", 2, 1, 100, 10, 4, 600});
    fake.put_row(FakePoolKernel::processor_tracker, next, {"Leak", 0, 0, 0, 5, 7, -200});
    auto sum = counter->read(*fake.kernel);
    ASSERT_TRUE(sum);
    EXPECT_EQ(sum->nonpaged.allocs, 2u);
    EXPECT_EQ(sum->paged.allocs, 15u);
    EXPECT_EQ(sum->paged.frees, 11u);
    EXPECT_EQ(sum->paged.bytes, 400);
}

} // namespace
} // namespace poolkd::pool
