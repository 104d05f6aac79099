#include "pool/blocks.h"
#include "support/fake_pool.h"

#include <gtest/gtest.h>

namespace poolkd::pool {
namespace {

using testing::FakePoolKernel;

constexpr std::uint32_t abc = 0x20636241;
constexpr std::uint8_t in_use_paged = 3, free_block = 0;

/// Two blocks in use and one free fill the page.
void put_small_page(FakePoolKernel& fake, std::uint64_t page, std::uint8_t type) {
    fake.target.virtual_memory().map(VirtAddr(page), 4096);
    fake.put_header(page, 0x3b0, 0, abc, type);
    fake.put_header(page + 0x3b0, 0x50, 0x3b0, abc | PoolTag::protected_bit, type);
    fake.put_header(page + 0x400, 0xc00, 0x50, abc, free_block);
}

TEST(Blocks, APageOfSmallBlocksIsParsedToItsEnd) {
    FakePoolKernel fake;
    put_small_page(fake, FakePoolKernel::paged, in_use_paged);
    auto reader = HeaderReader::create(*fake.kernel);
    ASSERT_TRUE(reader) << reader.error().message;
    auto bytes = memory::read_exact(fake.kernel->memory(), VirtAddr(FakePoolKernel::paged), 4096);
    ASSERT_TRUE(bytes);
    auto blocks = parse_page(*reader, VirtAddr(FakePoolKernel::paged), *bytes);
    ASSERT_EQ(blocks.size(), 3u);
    EXPECT_EQ(blocks[0].size, 0x3b0u);
    EXPECT_TRUE(blocks[0].allocated);
    EXPECT_EQ(blocks[1].previous_size, 0x3b0u);
    EXPECT_TRUE(blocks[1].tag.is_protected());
    EXPECT_EQ(blocks[1].body.value, FakePoolKernel::paged + 0x3c0);
    EXPECT_FALSE(blocks[2].allocated);
}

TEST(Blocks, ABrokenChainIsToldWithItsPlace) {
    FakePoolKernel fake;
    put_small_page(fake, FakePoolKernel::paged, in_use_paged);
    fake.put_header(FakePoolKernel::paged + 0x400, 0xc00, 0x60, abc, free_block);
    auto reader = HeaderReader::create(*fake.kernel);
    auto bytes = memory::read_exact(fake.kernel->memory(), VirtAddr(FakePoolKernel::paged), 4096);
    std::optional<ChainBreak> broken;
    auto blocks = parse_page_until_break(*reader, VirtAddr(FakePoolKernel::paged), *bytes, broken);
    EXPECT_EQ(blocks.size(), 2u);
    ASSERT_TRUE(broken);
    EXPECT_EQ(broken->at.value, FakePoolKernel::paged + 0x400);
    EXPECT_TRUE(parse_page(*reader, VirtAddr(FakePoolKernel::paged), *bytes).empty());
}

TEST(Blocks, DamagedEntriesOfTheBigPageTableDoNotHoldTheWalk) {
    FakePoolKernel fake;
    put_small_page(fake, FakePoolKernel::paged, in_use_paged);
    put_small_page(fake, FakePoolKernel::paged + 0x1000, in_use_paged);
    fake.target.virtual_memory().map(VirtAddr(FakePoolKernel::paged + 0x2000), 0x1000);
    fake.put_page_tables(FakePoolKernel::paged, 3);
    // One of no bytes (the kernel was stopped while it filled the entry), and one over the top of the address space.
    fake.put_big(3, FakePoolKernel::paged + 0x1000, "Zero", 0, 1);
    fake.put_big(5, FakePoolKernel::paged + 0x2000, "Huge", 0xfffffffffff00000, 1);
    Work work;
    WalkOptions options;
    options.nonpaged = false;
    std::size_t small = 0;
    auto answer = walk_blocks(*fake.kernel, options, work, [&](const PoolBlock& block) { small += !block.big; });
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(small, 6u);
    EXPECT_EQ(answer->value.pages_of_blocks, 2u);
}

TEST(Blocks, TheWalkVisitsEachBlockOnceAndReadsEachPageOnce) {
    FakePoolKernel fake;
    // Page 0: small; pages 1 and 2: one big allocation full of bytes that look like nothing; page 3: small.
    put_small_page(fake, FakePoolKernel::paged, in_use_paged);
    fake.target.virtual_memory().map(VirtAddr(FakePoolKernel::paged + 0x1000), 0x2000);
    put_small_page(fake, FakePoolKernel::paged + 0x3000, in_use_paged);
    fake.put_page_tables(FakePoolKernel::paged, 4);
    fake.put_big(7, FakePoolKernel::paged + 0x1000, "Tron", 0x1a00, 1);
    fake.put_big(9, (FakePoolKernel::paged + 0x9000) | 1, "Abc ", 0x2000, 1); // freed slot
    Work work;
    std::vector<PoolBlock> seen;
    const std::uint64_t before = fake.target.virtual_memory().bytes_read();
    auto answer = walk_blocks(*fake.kernel, {.nonpaged = false, .paged = true}, work,
                              [&](const PoolBlock& b) { seen.push_back(b); });
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_TRUE(answer->coverage.complete()) << answer->coverage.sentence();
    ASSERT_EQ(seen.size(), 7u);
    EXPECT_TRUE(seen[0].big);
    EXPECT_EQ(seen[0].size, 0x1a00u);
    EXPECT_EQ(answer->value.pages_of_blocks, 2u);
    EXPECT_EQ(answer->value.big_bytes, 0x2000u);
    const std::uint64_t small_pages = 2 * 4096, table = FakePoolKernel::big_entries * FakePoolKernel::big_stride;
    EXPECT_LE(fake.target.virtual_memory().bytes_read() - before, small_pages + table + 256);
}

TEST(Blocks, AStopIsAnAnswerThatSaysHowFarItGot) {
    FakePoolKernel fake;
    put_small_page(fake, FakePoolKernel::paged, in_use_paged);
    fake.put_page_tables(FakePoolKernel::paged, 1);
    Work work;
    auto answer = walk_blocks(
        *fake.kernel, {.nonpaged = false}, work, [&](const PoolBlock&) {},
        [&](auto range, const auto&) {
            if (range) work.request_stop();
        });
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->coverage.stopped());
    EXPECT_FALSE(answer->coverage.sentence().empty());
}

TEST(BigPages, TypeMayBePoolFlagsOnTheNewestKernels) {
    FakePoolKernel fake;
    fake.put_big(0, 0xffffa00000010000, "Aaaa", 0x2000, 0x40);
    fake.put_big(1, 0xffffa00000020000, "Bbbb", 0x2000, 0x100);
    fake.put_big(2, 0xffffa00000030000, "Cccc", 0x2000, 0x40);
    Work work;
    auto table = read_big_pages(*fake.kernel, work);
    ASSERT_TRUE(table);
    ASSERT_EQ(table->value.live.size(), 3u);
    EXPECT_FALSE(table->value.live[0].paged);
    EXPECT_TRUE(table->value.live[1].paged);
}

TEST(BigPages, OldKernelsCountPagesAndKeepNoType) {
    FakePoolKernel fake;
    fake.symbols->add(symbols::StructLayout{"_POOL_TRACKER_BIG_PAGES",
                                            FakePoolKernel::big_stride,
                                            false,
                                            {{"NumberOfPages", 0x00, 0, 0, testing::number(4)},
                                             {"Key", 0x0c, 0, 0, testing::number(4)},
                                             {"Va", 0x18, 0, 0, testing::number(8)}}});
    fake.put_big(0, FakePoolKernel::nonpaged + 0x4000, "Aaaa", 3, 0);
    fake.put_big(1, FakePoolKernel::paged + 0x5000, "Bbbb", 2, 0);
    fake.put_big(2, FakePoolKernel::expansion, "Cccc", 1, 0); // in neither pool
    Work work;
    auto table = read_big_pages(*fake.kernel, work);
    ASSERT_TRUE(table);
    ASSERT_EQ(table->value.live.size(), 3u);
    EXPECT_EQ(table->value.live[0].bytes, 0x3000u);
    std::vector<std::string> paged, nonpaged;
    for (bool which : {false, true}) {
        auto walk =
            walk_blocks(*fake.kernel, {.nonpaged = !which, .paged = which, .big = true, .small = false}, work,
                        [&](const PoolBlock& block) { (which ? paged : nonpaged).push_back(block.tag.text()); }, {});
        ASSERT_TRUE(walk);
    }
    EXPECT_EQ(nonpaged, (std::vector<std::string>{"Aaaa", "Cccc"}));
    EXPECT_EQ(paged, (std::vector<std::string>{"Bbbb", "Cccc"})) << "one whose pool is not known is in each answer";
}

TEST(Header, OldKernelsStoreTheTypePlusOne) {
    FakePoolKernel fake;
    fake.target.edit_identity().build = 3790;
    auto reader = HeaderReader::create(*fake.kernel);
    ASSERT_TRUE(reader);
    fake.put_header(FakePoolKernel::nonpaged, 0x40, 0, abc, 1);
    auto bytes = memory::read_exact(fake.kernel->memory(), VirtAddr(FakePoolKernel::nonpaged), 16);
    PoolHeader header = reader->read(*bytes);
    EXPECT_TRUE(header.allocated);
    EXPECT_FALSE(header.paged);
    fake.put_header(FakePoolKernel::nonpaged, 0x40, 0, abc, 2);
    bytes = memory::read_exact(fake.kernel->memory(), VirtAddr(FakePoolKernel::nonpaged), 16);
    EXPECT_TRUE(reader->read(*bytes).paged);
}

} // namespace
} // namespace poolkd::pool
