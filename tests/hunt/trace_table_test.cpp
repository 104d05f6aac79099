#include "hunt/trace_table.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

using namespace std::chrono_literals;

TraceStack stack_of(HitKind kind, std::string caller, std::uint64_t address) {
    TraceStack stack;
    stack.kind = kind;
    stack.caller = 1;
    stack.frames = {{VirtAddr(0xfffff80000400000), "nt!ExAllocatePoolWithTag+0x10", "nt", "", true},
                    {VirtAddr(address), std::move(caller), "leaky", "", false}};
    return stack;
}

TraceHit hit_of(HitKind kind, std::size_t stack, std::uint64_t block, std::uint64_t size = 0x40) {
    TraceHit hit;
    hit.kind = kind;
    hit.stack = stack;
    hit.block = VirtAddr(block);
    hit.size = size;
    hit.block_sure = block != 0 ? HowSure::sure : HowSure::unknown;
    return hit;
}

class Table : public ::testing::Test {
  protected:
    std::size_t add(HitKind kind, const std::string& caller, std::uint64_t address) {
        return table.add({VirtAddr(0xfffff80000400000), VirtAddr(address)}, stack_of(kind, caller, address));
    }
    TraceReport filled(std::chrono::milliseconds now = 0ms, std::chrono::milliseconds age = 0ms) {
        TraceReport report;
        report.options.age = age;
        table.fill(report, now);
        return report;
    }
    HitTable table{4, 3};
};

TEST_F(Table, FreesAreMatchedByAddressAndAgesCountFromTheAllocation) {
    const std::size_t leak = add(HitKind::allocation, "leaky!Build+0x1", 0x1001);
    const std::size_t event = add(HitKind::allocation, "leaky!Queue+0x1", 0x2001);
    const std::size_t retire = add(HitKind::release, "leaky!Retire+0x1", 0x3001);
    table.note(hit_of(HitKind::allocation, event, 0xa000), 0ms);
    table.note(hit_of(HitKind::allocation, leak, 0xb000, 0x100), 1000ms);
    table.note(hit_of(HitKind::allocation, leak, 0xc000, 0x80), 4000ms);
    table.note(hit_of(HitKind::release, retire, 0xa000), 4500ms);
    table.note(hit_of(HitKind::release, retire, 0xd000), 4600ms); // from before the trace
    const TraceReport report = filled(6000ms, 3000ms);
    EXPECT_EQ(report.allocations, 3u);
    EXPECT_EQ(report.releases, 2u);
    EXPECT_EQ(report.matched, 1u);
    EXPECT_EQ(report.older_blocks, 1u);
    EXPECT_EQ(report.outstanding, 2u);
    EXPECT_EQ(report.outstanding_bytes, 0x180u);
    ASSERT_EQ(report.stacks.size(), 3u);
    const TraceStack& first = report.stacks[0];
    EXPECT_EQ(first.frames[1].text, "leaky!Build+0x1");
    EXPECT_EQ(first.outstanding, 2u);
    EXPECT_EQ(first.older, 1u);
    EXPECT_EQ(first.oldest, 5000ms);
    EXPECT_EQ(first.median_age, 5000ms);
    EXPECT_EQ(report.stacks[1].outstanding, 0u);
    EXPECT_EQ(report.stacks[1].freed_by, std::vector<VirtAddr>{VirtAddr(0x3001)});
    EXPECT_EQ(report.stacks[1].freed_by_text, std::vector<std::string>{"leaky!Retire+0x1"});
    ASSERT_EQ(report.kept.size(), 5u);
    EXPECT_EQ(report.kept[1].stack, 0u) << "hits name stacks in the report's order";
}

TEST_F(Table, AnAddressThatIsHandedOutAgainWasFreedUnseen) {
    const std::size_t leak = add(HitKind::allocation, "leaky!Build+0x1", 0x1001);
    table.note(hit_of(HitKind::allocation, leak, 0xa000), 0ms);
    table.note(hit_of(HitKind::allocation, leak, 0xa000), 1ms);
    const TraceReport report = filled();
    EXPECT_EQ(report.freed_unseen, 1u);
    EXPECT_EQ(report.outstanding, 1u);
    EXPECT_EQ(report.stacks[0].outstanding, 1u);
}

TEST_F(Table, IsBoundedAndSaysSo) {
    const std::size_t leak = add(HitKind::allocation, "leaky!Build+0x1", 0x1001);
    for (std::uint64_t i = 0; i < 10; ++i)
        table.note(hit_of(HitKind::allocation, leak, 0xa000 + i * 0x100), 0ms);
    for (std::uint64_t i = 0; i < 5; ++i)
        add(HitKind::allocation, "leaky!Other", 0x5001 + i);
    const TraceReport report = filled();
    EXPECT_EQ(report.allocations, 10u);
    EXPECT_EQ(report.outstanding, 4u);
    EXPECT_EQ(report.stacks.size(), 4u); // three, and the rest
    EXPECT_EQ(report.notes.size(), 2u);
}

TEST_F(Table, BeyondTheBoundAFreeIsStillAFree) {
    for (std::uint64_t i = 0; i < 4; ++i)
        add(HitKind::allocation, "leaky!Build", 0x1001 + i);
    const std::size_t allocations = add(HitKind::allocation, "leaky!Other", 0x5001);
    const std::size_t releases = add(HitKind::release, "leaky!Retire", 0x6001);
    EXPECT_EQ(table.stack(allocations).kind, HitKind::allocation);
    EXPECT_EQ(table.stack(releases).kind, HitKind::release);
    EXPECT_EQ(add(HitKind::release, "leaky!Drop", 0x7001), releases);
}

TEST_F(Table, TheSameAddressesAreOtherCodeWhenTheModulesChanged) {
    const std::size_t first = add(HitKind::allocation, "leaky!Build+0x1", 0x1001);
    const std::vector<VirtAddr> addresses{VirtAddr(0xfffff80000400000), VirtAddr(0x1001)};
    EXPECT_EQ(table.find(addresses), first);
    table.forget_addresses();
    EXPECT_EQ(table.find(addresses), std::nullopt);
    EXPECT_NE(add(HitKind::allocation, "other!Build+0x1", 0x1001), first);
    table.forget_addresses();
    EXPECT_EQ(add(HitKind::allocation, "leaky!Build+0x1", 0x1001), first) << "it came back";
}

TEST_F(Table, HitsWithoutABlockAreCountedAndNoMore) {
    const std::size_t leak = add(HitKind::allocation, "leaky!Build+0x1", 0x1001);
    table.note(hit_of(HitKind::allocation, leak, 0), 0ms);
    const TraceReport report = filled();
    EXPECT_EQ(report.allocations, 1u);
    EXPECT_EQ(report.outstanding, 0u);
    EXPECT_EQ(report.blocks_unknown, 1u);
}

} // namespace
} // namespace poolkd::hunt
