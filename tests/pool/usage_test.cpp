#include "pool/usage.h"
#include "support/fake_pool.h"

#include <gtest/gtest.h>

namespace poolkd::pool {
namespace {

using testing::FakePoolKernel;

const TagUsage* find(const UsageTable& table, std::string_view tag) {
    for (const TagUsage& usage : table.tags)
        if (usage.tag == PoolTag::from_text(tag)) return &usage;
    return nullptr;
}

TEST(Usage, SumsGlobalProcessorAndExpansionTables) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 3, {"Abc", 1, 0, 64, 10, 4, 600});
    // The other processor freed what this one allocated: its share is negative.
    fake.put_row(FakePoolKernel::processor_tracker, 3, {"Abc", 0, 0, 0, 0, 2, -200});
    fake.put_row(FakePoolKernel::expansion, 0, {"Late", 5, 1, 4096, 0, 0, 0});
    fake.put_row(FakePoolKernel::expansion, 2,
                 {"Gone", 5, 1, 4096, 0, 0, 0}); // behind an empty row: not part of the list
    fake.set(FakePoolKernel::var_expansion, FakePoolKernel::expansion);
    fake.set(FakePoolKernel::var_expansion_size, 4);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_TRUE(usage->coverage.complete()) << usage->coverage.sentence();
    EXPECT_EQ(usage->value.tables, 2u);
    const TagUsage* abc = find(usage->value, "Abc ");
    ASSERT_NE(abc, nullptr);
    EXPECT_EQ(abc->paged.allocs, 10u);
    EXPECT_EQ(abc->paged.frees, 6u);
    EXPECT_EQ(abc->paged.bytes, 400);
    EXPECT_EQ(abc->paged.outstanding(), 4);
    EXPECT_EQ(abc->nonpaged.bytes, 64);
    ASSERT_NE(find(usage->value, "Late"), nullptr);
    EXPECT_EQ(find(usage->value, "Late")->nonpaged.outstanding(), 4);
    EXPECT_EQ(find(usage->value, "Gone"), nullptr);
}

TEST(Usage, AnExpansionListThatIsTheGlobalTableMayHaveMoreRows) {
    FakePoolKernel fake;
    constexpr std::uint32_t more = 4 * FakePoolKernel::rows;
    fake.target.virtual_memory().map(VirtAddr(FakePoolKernel::tracker), more * FakePoolKernel::stride);
    for (std::uint32_t row = 0; row < more; ++row)
        fake.put_row(FakePoolKernel::tracker, row, {"Abc", 1, 0, 16, 0, 0, 0});
    fake.set(FakePoolKernel::var_expansion, FakePoolKernel::tracker);
    fake.set(FakePoolKernel::var_expansion_size, more);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage) << usage.error().message;
    EXPECT_EQ(usage->value.table_bytes, (2 * FakePoolKernel::rows + more) * FakePoolKernel::stride);
    ASSERT_NE(find(usage->value, "Abc "), nullptr);
    EXPECT_EQ(find(usage->value, "Abc ")->nonpaged.allocs, FakePoolKernel::rows + more);
}

TEST(Usage, AnExpansionListThatCannotBeReadIsMissing) {
    for (const char* variable : {"PoolTrackTableExpansion", "PoolTrackTableExpansionSize"}) {
        FakePoolKernel fake;
        fake.put_row(FakePoolKernel::tracker, 1, {"Abc", 1, 0, 16, 0, 0, 0});
        fake.set(FakePoolKernel::var_expansion, FakePoolKernel::expansion);
        fake.symbols->add(variable, 0x800); // the first of that name counts
        fake.target.virtual_memory().unmap(VirtAddr(FakePoolKernel::base));
        Work work;
        auto usage = read_usage(*fake.kernel, work);
        ASSERT_TRUE(usage) << usage.error().message;
        EXPECT_FALSE(usage->coverage.complete()) << variable;
        EXPECT_NE(find(usage->value, "Abc "), nullptr);
    }
}

TEST(Usage, TheProtectedBitIsNoPartOfTheTag) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 1, {"File", 7, 0, 700, 0, 0, 0});
    fake.target.virtual_memory().put_value(VirtAddr(FakePoolKernel::tracker + FakePoolKernel::stride + 0x14),
                                           0xe56c6946u); // "Fil" e|0x80
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    ASSERT_NE(find(usage->value, "File"), nullptr);
    EXPECT_EQ(find(usage->value, "File")->nonpaged.bytes, 700);
}

TEST(Usage, TheLastRowIsTheOverflowWhateverItsKey) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, FakePoolKernel::rows - 1, {"Abc", 3, 0, 48, 0, 0, 0});
    fake.target.virtual_memory().put_value(
        VirtAddr(FakePoolKernel::tracker + (FakePoolKernel::rows - 1) * FakePoolKernel::stride + 0x14), 0u);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    ASSERT_NE(find(usage->value, "Ovfl"), nullptr);
    EXPECT_TRUE(find(usage->value, "Ovfl")->overflow);
}

TEST(Usage, WithoutTaggingSaysWhatToDo) {
    FakePoolKernel fake;
    fake.set(FakePoolKernel::var_track, 0);
    fake.set(FakePoolKernel::var_flags, 0);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error().kind, ErrorKind::unsupported);
    EXPECT_NE(usage.error().message.find("gflags +ptg"), std::string::npos);
}

TEST(Usage, AHoleInTheTableIsPartOfTheAnswer) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 0, {"Abc", 1, 0, 16, 0, 0, 0});
    fake.target.virtual_memory().unmap(VirtAddr(FakePoolKernel::tracker + 4096));
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_FALSE(usage->coverage.complete());
    EXPECT_EQ(usage->coverage.missing(), FakePoolKernel::rows * FakePoolKernel::stride - 4096);
    EXPECT_NE(find(usage->value, "Abc "), nullptr);
}

TEST(Usage, AnAbsurdSizeIsRefused) {
    FakePoolKernel fake;
    fake.set(FakePoolKernel::var_track_size, 0x7fffffffffffffff);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error().kind, ErrorKind::malformed);
}

TEST(Usage, NarrowCountersThatWrappedStillGiveTheDifference) {
    FakePoolKernel fake;
    fake.symbols->add({"_POOL_TRACKER_TABLE",
                       FakePoolKernel::stride,
                       false,
                       {{"PagedBytes", 0x00, 0, 0, testing::number(8)},
                        {"NonPagedAllocs", 0x08, 0, 0, testing::number(4)},
                        {"Key", 0x14, 0, 0, testing::number(4)},
                        {"PagedAllocs", 0x18, 0, 0, testing::number(4)},
                        {"NonPagedFrees", 0x20, 0, 0, testing::number(4)},
                        {"PagedFrees", 0x28, 0, 0, testing::number(4)},
                        {"NonPagedBytes", 0x30, 0, 0, testing::number(8)}}});
    fake.put_row(FakePoolKernel::tracker, 0, {"Wrap", 5, 0xfffffff0, 336, 0, 0, 0});
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_EQ(find(usage->value, "Wrap")->nonpaged.outstanding(), 21);
}

TEST(Usage, SharesOf32BitsAddUpAsTheyWrap) {
    FakePoolKernel fake;
    fake.symbols->add({"_POOL_TRACKER_TABLE",
                       FakePoolKernel::stride,
                       false,
                       {{"PagedBytes", 0x00, 0, 0, testing::number(4)},
                        {"NonPagedAllocs", 0x08, 0, 0, testing::number(8)},
                        {"Key", 0x14, 0, 0, testing::number(4)},
                        {"PagedAllocs", 0x18, 0, 0, testing::number(8)},
                        {"NonPagedFrees", 0x20, 0, 0, testing::number(8)},
                        {"PagedFrees", 0x28, 0, 0, testing::number(8)},
                        {"NonPagedBytes", 0x30, 0, 0, testing::number(4)}}});
    // 3 GB were allocated here and all but 4 KB of them freed there.
    fake.put_row(FakePoolKernel::tracker, 0, {"Wide", 0, 0, 0, 7, 0, 0xc0000000});
    fake.put_row(FakePoolKernel::processor_tracker, 0, {"Wide", 0, 0, 0, 0, 6, -0xbffff000ll});
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_EQ(find(usage->value, "Wide")->paged.bytes, 4096);
    EXPECT_EQ(find(usage->value, "Wide")->paged.outstanding(), 1);
}

TEST(Usage, ARowWithoutAKeyCountsForTheKeyOfTheGlobalTable) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 5, {"Abc", 0, 0, 0, 3, 0, 300});
    fake.put_row(FakePoolKernel::processor_tracker, 5, {"Abc", 0, 0, 0, 0, 1, -100});
    fake.target.virtual_memory().put_value(
        VirtAddr(FakePoolKernel::processor_tracker + 5 * FakePoolKernel::stride + 0x14), 0u);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_EQ(find(usage->value, "Abc ")->paged.bytes, 200);
    EXPECT_EQ(find(usage->value, "Abc ")->paged.outstanding(), 2);
}

TEST(Usage, WithoutTablesOfProcessorsTheGlobalOneIsAll) {
    FakePoolKernel fake;
    fake.put_row(FakePoolKernel::tracker, 5, {"Abc", 0, 0, 0, 3, 0, 300});
    fake.set(FakePoolKernel::var_tables, 0);
    Work work;
    auto usage = read_usage(*fake.kernel, work);
    ASSERT_TRUE(usage);
    EXPECT_EQ(usage->value.tables, 1u);
    EXPECT_EQ(find(usage->value, "Abc ")->paged.bytes, 300);
}

} // namespace
} // namespace poolkd::pool
