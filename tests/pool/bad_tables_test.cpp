// Damaged tables of the kernel: an answer with its coverage or an error, in bounded time and memory.
#include "nt/small_machine.h"
#include "pool/big_pages.h"
#include "pool/ranges.h"
#include "pool/surroundings.h"
#include "pool/usage.h"
#include "support/fake_pool.h"
#include "target/dump_target.h"

#include <gtest/gtest.h>

namespace poolkd::pool {
namespace {

using testing::FakePoolKernel;

TEST(BadTables, ABigPageTableOfAbsurdSize) {
    FakePoolKernel fake;
    fake.put_big(3, FakePoolKernel::paged, "Abc ", 0x2000, 1);
    Work work;
    fake.set(FakePoolKernel::var_big_size, 0xffffff); // what is told as credible, nearly all of it not there
    auto table = read_big_pages(*fake.kernel, work);
    ASSERT_TRUE(table);
    EXPECT_EQ(table->value.live.size(), 1u);
    EXPECT_FALSE(table->coverage.complete());
    for (const std::uint64_t entries : {0ull, 0x1000001ull, ~0ull}) {
        fake.set(FakePoolKernel::var_big_size, entries);
        EXPECT_FALSE(read_big_pages(*fake.kernel, work)) << entries;
    }
}

TEST(BadTables, TrackerTablesOfAbsurdSize) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 3, {"Abc", 1, 0, 64, 10, 4, 600});
    Work work;
    fake.set(FakePoolKernel::var_expansion, FakePoolKernel::expansion);
    for (const std::uint64_t rows : {std::uint64_t{1} << 17, (std::uint64_t{1} << 20) + 1, ~std::uint64_t{0}}) {
        fake.set(FakePoolKernel::var_expansion_size, rows);
        const auto usage = read_usage(*fake.kernel, work);
        ASSERT_TRUE(usage);
        EXPECT_EQ(usage->value.tags.size(), 1u);
        EXPECT_FALSE(usage->coverage.complete()) << rows;
    }
    fake.set(FakePoolKernel::var_track_size, 1u << 17);
    const auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_FALSE(usage->coverage.complete());
    fake.set(FakePoolKernel::var_track_size, ~0ull);
    EXPECT_FALSE(read_usage(*fake.kernel, work));
}

// Tables that are their own tables map every address: the walk ends when it has seen more than the image can hold.
TEST(BadTables, PageTablesInACircle) {
    nt::small_machine::SmallMachine machine = nt::small_machine::x64_small();
    for (std::size_t i = 0; i < 0x200; ++i)
        machine.put(0x5000 + 8 * i, std::uint64_t{0x5063});
    auto image = dumps::open_image(dumps::ImageFile::from_bytes(machine.bytes, "memory.raw"));
    ASSERT_TRUE(image);
    auto target = target::DumpTarget::from_image(std::move(*image));
    ASSERT_TRUE(target);
    (*target)->use_page_tables({&x64_machine(), 0x5000, 0});
    nt::Kernel kernel(**target, {});
    Work work;
    const PoolRange range{PoolKind::paged, VirtAddr(0xffffa00000000000), VirtAddr(0xffffafffffffffff)};
    const auto pages = find_present_pages(kernel, range, work);
    ASSERT_TRUE(pages);
    EXPECT_FALSE(pages->coverage.complete());
    std::uint64_t bytes = 0;
    for (const PageRun& run : pages->value.runs)
        bytes += run.bytes;
    EXPECT_LE(bytes, 2 * nt::small_machine::memory_bytes);
}

// The same table everywhere, whose pages are not there: the walk ends when it has seen more entries than the image can
// hold.
TEST(BadTables, ManyTimesTheSameTableOfAbsentPages) {
    nt::small_machine::SmallMachine machine = nt::small_machine::x64_small();
    for (std::size_t i = 0; i < 0x200; ++i) {
        machine.put(0x5000 + 8 * i, std::uint64_t{0x6063});
        machine.put(0x6000 + 8 * i, std::uint64_t{0x7063});
        machine.put(0x7000 + 8 * i, std::uint64_t{0x8063});
        machine.put(0x8000 + 8 * i, std::uint64_t{0x9060});
    }
    auto image = dumps::open_image(dumps::ImageFile::from_bytes(machine.bytes, "memory.raw"));
    ASSERT_TRUE(image);
    auto target = target::DumpTarget::from_image(std::move(*image));
    ASSERT_TRUE(target);
    (*target)->use_page_tables({&x64_machine(), 0x5000, 0});
    nt::Kernel kernel(**target, {});
    Work work;
    const PoolRange range{PoolKind::paged, VirtAddr(0xffffa00000000000), VirtAddr(0xffffafffffffffff)};
    const auto pages = find_present_pages(kernel, range, work);
    ASSERT_TRUE(pages);
    EXPECT_FALSE(pages->coverage.complete());
    EXPECT_TRUE(pages->value.runs.empty());
    const std::uint64_t seen = pages->value.absent_pages + pages->value.empty_pages;
    EXPECT_GT(seen, 0u);
    EXPECT_LE(seen, nt::small_machine::memory_bytes / 8 + 1);
}

TEST(BadTables, AnyPageIsLookedAroundIn) {
    FakePoolKernel fake;
    Work work;
    auto& memory = fake.target.virtual_memory();
    std::uint32_t random = 1;
    for (int round = 0; round < 50; ++round) {
        for (std::uint64_t i = 0; i < 4096; i += 4)
            memory.put_value(VirtAddr(FakePoolKernel::paged + i), random = random * 1664525u + 1013904223u);
        for (const std::uint64_t at : {0u, 8u, 0x10u, 0xff0u, 0xff8u, 0xfffu})
            for (const bool header : {false, true})
                EXPECT_TRUE(look_around(*fake.kernel, VirtAddr(FakePoolKernel::paged + at), header, work));
    }
    EXPECT_TRUE(look_around(*fake.kernel, VirtAddr(0), true, work));
    EXPECT_TRUE(look_around(*fake.kernel, VirtAddr(~0ull), false, work));
}

} // namespace
} // namespace poolkd::pool
