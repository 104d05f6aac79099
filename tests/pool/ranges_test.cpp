#include "pool/blocks.h"
#include "pool/ranges.h"
#include "support/fake_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace poolkd::pool {
namespace {

using testing::FakePoolKernel;

constexpr std::uint32_t next_variable = 0x1100; // behind those of the fake pool

std::vector<PoolRange> ranges_of(FakePoolKernel& fake, PoolKind kind) {
    Work work;
    auto ranges = find_ranges(*fake.kernel, work);
    EXPECT_TRUE(ranges) << ranges.error().message;
    std::vector<PoolRange> chosen;
    for (const PoolRange& range : ranges.value_or(std::vector<PoolRange>()))
        if (range.kind == kind) chosen.push_back(range);
    return chosen;
}

TEST(Ranges, NonpagedPoolMayHaveTwoPartsWithOtherThingsBetween) {
    FakePoolKernel fake;
    fake.symbols->add("MmNonPagedPoolExpansionStart", next_variable);
    fake.symbols->add("MmSizeOfNonPagedPoolInBytes", next_variable + 8);
    fake.set(next_variable, FakePoolKernel::nonpaged + 0xc0000);
    fake.set(next_variable + 8, 0x20000);
    const auto parts = ranges_of(fake, PoolKind::nonpaged);
    ASSERT_EQ(parts.size(), 2u);
    EXPECT_EQ(parts[0].first.value, FakePoolKernel::nonpaged);
    EXPECT_EQ(parts[0].last.value, FakePoolKernel::nonpaged + 0x1ffff);
    EXPECT_EQ(parts[1].first.value, FakePoolKernel::nonpaged + 0xc0000);
    EXPECT_EQ(parts[1].last.value, FakePoolKernel::nonpaged + 0xfffff);
}

TEST(Ranges, WherePagedPoolStartsIsToldByItsSizeAndEnd) {
    FakePoolKernel fake;
    fake.symbols->add("MmSizeOfPagedPoolInBytes", next_variable);
    fake.set(FakePoolKernel::var_p_start, 0);
    fake.set(next_variable, 0x40000);
    const auto paged = ranges_of(fake, PoolKind::paged);
    ASSERT_EQ(paged.size(), 1u);
    EXPECT_EQ(paged[0].first.value, FakePoolKernel::paged + 0xc0000);
    EXPECT_EQ(paged[0].last.value, FakePoolKernel::paged + 0xfffff);
}

TEST(Ranges, WhatNoVariableTellsIsLookedForWhereLargeAllocationsOfThatKindLie) {
    FakePoolKernel fake;
    fake.set(FakePoolKernel::var_np_start, 0);
    fake.put_big(1, 0xffffe00000123000, "Aaaa", 0x2000, 0);
    fake.put_big(2, 0xffffe00000456000, "Bbbb", 0x1000, 0);
    fake.put_big(3, 0xffffe10000000000, "Cccc", 0x1000, 0);
    fake.put_big(4, 0xffffc00000000000, "Dddd", 0x1000, 1);
    const auto nonpaged = ranges_of(fake, PoolKind::nonpaged);
    ASSERT_EQ(nonpaged.size(), 2u);
    EXPECT_EQ(nonpaged[0].first.value, 0xffffe00000000000);
    EXPECT_EQ(nonpaged[0].last.value, 0xffffe07fffffffff);
    EXPECT_EQ(nonpaged[1].first.value, 0xffffe10000000000);
    EXPECT_EQ(ranges_of(fake, PoolKind::paged).size(), 1u) << "what a variable tells stands";
}

TEST(Ranges, AStopEndsTheSearchInTheTableOfLargeAllocations) {
    FakePoolKernel fake;
    fake.set(FakePoolKernel::var_np_start, 0);
    fake.put_big(1, 0xffffe00000123000, "Aaaa", 0x2000, 0);
    Work work;
    work.request_stop();
    const auto ranges = find_ranges(*fake.kernel, work);
    ASSERT_FALSE(ranges);
    EXPECT_EQ(ranges.error().kind, ErrorKind::stopped);
}

TEST(Ranges, SmallBlocksInSegmentHeapsAreNotLookedForInPages) {
    FakePoolKernel fake;
    fake.put_page_tables(FakePoolKernel::paged, 1);
    fake.target.virtual_memory().map(VirtAddr(FakePoolKernel::paged), 4096);
    fake.put_header(FakePoolKernel::paged, 0x1000 - 0x10, 0, 0x20636241, 3);
    fake.put_big(3, FakePoolKernel::paged + 0x4000, "Tron", 0x2000, 1);
    fake.symbols->add("ExPoolState", next_variable);
    Work work;
    std::size_t big = 0, small = 0;
    auto count = [&](const PoolBlock& block) { ++(block.big ? big : small); };
    auto walk = walk_blocks(*fake.kernel, {.paged = false}, work, count);
    ASSERT_TRUE(walk);
    EXPECT_TRUE(walk->value.heap_backed);
    EXPECT_EQ(big, 0u) << "it is paged, and nonpaged pool alone was asked for";
    EXPECT_EQ(small, 0u);
    EXPECT_TRUE(walk->value.ranges.empty());
    // Both ways of allocating are in that kernel, and a switch says which it uses.
    fake.symbols->add("ExpHeapBackedPoolEnabledState", next_variable + 0x10);
    walk = walk_blocks(*fake.kernel, {.paged = false}, work, count);
    ASSERT_TRUE(walk);
    EXPECT_FALSE(walk->value.heap_backed);
    EXPECT_EQ(walk->value.ranges.size(), 1u);
}

} // namespace
} // namespace poolkd::pool
