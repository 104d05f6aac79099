#include "memory/page_walk.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

namespace poolkd::memory {
namespace {

constexpr std::uint64_t cr4_pae = 0x20, cr4_five_levels = 0x1000;

struct Seen {
    VirtAddr address;
    std::uint64_t size;
    PhysAddr physical;
    bool valid;
    bool operator==(const Seen&) const = default;
};

class PageWalkTest : public ::testing::Test {
  protected:
    void entry32(std::uint64_t table, std::size_t index, std::uint32_t entry) {
        physical.put_value(PhysAddr(table + 4 * index), entry);
    }
    void entry64(std::uint64_t table, std::size_t index, std::uint64_t entry) {
        physical.put_value(PhysAddr(table + 8 * index), entry);
    }
    std::vector<Seen> list(PageWalk& walk, std::uint64_t first, std::uint64_t last) {
        std::vector<Seen> seen;
        Work work;
        coverage = walk.for_each(VirtAddr(first), VirtAddr(last), work, [&](const Mapping& m) {
            seen.push_back({m.address, m.size, m.physical, m.valid});
            return true;
        });
        return seen;
    }
    poolkd::testing::FakePhysicalMemory physical;
    Coverage coverage;
};

TEST_F(PageWalkTest, X86WithoutPae) {
    const PagingMode& mode = paging_mode(x86_machine(), 0);
    entry32(0x1000, 0x201, 0x00002063);    // 80400000: a table at 2000
    entry32(0x2000, 0x003, 0x00007063);    // 80403000 -> 7000
    entry32(0x2000, 0x004, 0x00000080);    // demand zero
    entry32(0x1000, 0x202, 0x004000e3);    // 80800000: 4 MiB at 400000
    entry32(0x1000, 0x203, 0x0080a0e3);    // 80c00000: 4 MiB at 5`00800000 (PSE-36: bits 13 to 20 are 5)
    PageWalk walk(physical, mode, 0x1018); // cache bits of CR3 are no part of the address
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80403123)), PhysAddr(0x7123));
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80abcdef)), PhysAddr(0x6bcdef));
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80c00010)), PhysAddr(0x500800010));
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80404000)).error().message, "80404000 is not mapped (not present)");
    EXPECT_EQ(list(walk, 0xffffffff80000000, 0xffffffffffffffff),
              (std::vector<Seen>{{VirtAddr(0xffffffff80403000), 0x1000, PhysAddr(0x7000), true},
                                 {VirtAddr(0xffffffff80404000), 0x1000, PhysAddr(0), false},
                                 {VirtAddr(0xffffffff80800000), 0x400000, PhysAddr(0x400000), true},
                                 {VirtAddr(0xffffffff80c00000), 0x400000, PhysAddr(0x500800000), true}}));
    EXPECT_TRUE(coverage.complete());
}

TEST_F(PageWalkTest, X86WithPae) {
    const PagingMode& mode = paging_mode(x86_machine(), cr4_pae);
    EXPECT_EQ(mode.entries(3), 4u);
    entry64(0x1020, 2, 0x2001);             // 80000000 to bfffffff; the root is aligned to 32 bytes
    entry64(0x2000, 2, 0x3063);             // 80400000
    entry64(0x3000, 3, 0x8000000123456063); // execute-disable, above 4 GiB
    entry64(0x2000, 4, 0x2000e3);           // 80800000: 2 MiB
    PageWalk walk(physical, mode, 0x1020);
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80403123)), PhysAddr(0x123456123));
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffff80912345)), PhysAddr(0x312345));
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffffc0000000)).error().kind, ErrorKind::unreadable);
    EXPECT_EQ(list(walk, 0xffffffff80403000, 0xffffffff808fffff),
              (std::vector<Seen>{{VirtAddr(0xffffffff80403000), 0x1000, PhysAddr(0x123456000), true},
                                 {VirtAddr(0xffffffff80800000), 0x200000, PhysAddr(0x200000), true}}));
}

TEST_F(PageWalkTest, X64WithFourAndFiveLevels) {
    entry64(0x1000, 0x1f0, 0x2063); // fffff800`00000000
    entry64(0x2000, 0, 0x3063);
    entry64(0x3000, 0, 0x4063);
    entry64(0x4000, 5, 0x9063);
    entry64(0x3000, 1, 0x4000e3);
    PageWalk four(physical, paging_mode(x64_machine(), cr4_pae), 0x1000);
    EXPECT_EQ(four.translate(VirtAddr(0xfffff80000005010)), PhysAddr(0x9010));
    EXPECT_EQ(list(four, 0xfffff80000000000, 0xfffff800ffffffff),
              (std::vector<Seen>{{VirtAddr(0xfffff80000005000), 0x1000, PhysAddr(0x9000), true},
                                 {VirtAddr(0xfffff80000200000), 0x200000, PhysAddr(0x400000), true}}));
    entry64(0x8000, 0x1ff, 0x1063); // the fifth level above the same four
    PageWalk five(physical, paging_mode(x64_machine(), cr4_pae | cr4_five_levels), 0x8000);
    EXPECT_EQ(five.translate(VirtAddr(0xfffff80000005010)), PhysAddr(0x9010));
    EXPECT_EQ(list(five, 0xfffff80000000000, 0xfffff80000005fff),
              (std::vector<Seen>{{VirtAddr(0xfffff80000005000), 0x1000, PhysAddr(0x9000), true}}));
}

TEST_F(PageWalkTest, StepsEndAtAPageOrWhereNothingIsPresent) {
    entry64(0x1000, 0x1f0, 0x2063); // fffff800`00000000
    entry64(0x2000, 0, 0x3063);
    entry64(0x3000, 0, 0x4063);
    entry64(0x3000, 1, 0x4000e3);
    entry64(0x3000, 2, 0x80000063); // no memory there
    entry64(0x4000, 0, 0);          // a table without a page
    PageWalk walk(physical, paging_mode(x64_machine(), cr4_pae), 0x1000);
    auto absent = walk.steps(VirtAddr(0xfffff80000005010));
    ASSERT_EQ(absent.size(), 4u);
    EXPECT_EQ(absent[0].at, PhysAddr(0x1f80));
    EXPECT_EQ(absent[3].at, PhysAddr(0x4028));
    EXPECT_EQ(absent[3].level, 1u);
    EXPECT_FALSE(absent[3].valid);
    auto large = walk.steps(VirtAddr(0xfffff80000234567));
    ASSERT_EQ(large.size(), 3u);
    EXPECT_TRUE(large[2].leaf);
    EXPECT_EQ(large[2].entry, 0x4000e3u);
    auto unreadable = walk.steps(VirtAddr(0xfffff80000400000));
    ASSERT_EQ(unreadable.size(), 3u);
    EXPECT_TRUE(unreadable[2].valid);
    EXPECT_FALSE(unreadable[2].leaf);
    EXPECT_EQ(walk.translate(VirtAddr(0xfffff80000400000)).error().message,
              "fffff800`00400000 is not mapped (a page table cannot be read)");
}

TEST_F(PageWalkTest, TheSelfMapIsFoundInTheRoot) {
    entry64(0x1000, 0x1f0, 0x2063);
    PageWalk without(physical, paging_mode(x64_machine(), cr4_pae), 0x1000);
    EXPECT_EQ(without.self_map(), std::nullopt);
    entry64(0x1000, 0x1ed, 0x8000000000001063);
    PageWalk x64(physical, paging_mode(x64_machine(), cr4_pae), 0x1000);
    EXPECT_EQ(x64.self_map(), VirtAddr(0xfffff68000000000));

    entry32(0x9000, 0x300, 0x00009063);
    PageWalk x86(physical, paging_mode(x86_machine(), 0), 0x9000);
    EXPECT_EQ(x86.self_map(), VirtAddr(0xffffffffc0000000));

    entry64(0xa020, 2, 0xb001); // PAE: four directories, of which the last shows all
    entry64(0xa020, 3, 0xc001);
    entry64(0xc000, 2, 0xb063);
    entry64(0xc000, 3, 0xc063);
    entry64(0xb000, 0, 0x63);
    PageWalk pae(physical, paging_mode(x86_machine(), cr4_pae), 0xa020);
    EXPECT_EQ(pae.self_map(), VirtAddr(0xffffffffc0000000));
}

// The self map's entries in the last directory are those of the root: memory alone does not tell which of the two CR3
// was.
TEST_F(PageWalkTest, TheRootOfPaeMayBeTheStartOfADirectory) {
    entry64(0xc000, 3, 0xc063);
    entry64(0xc000, 0xc6, 0xd063);
    entry64(0xd000, 0x10, 0x463063); // d8c10000
    PageWalk walk(physical, paging_mode(x86_machine(), cr4_pae), 0xc000);
    EXPECT_EQ(walk.translate(VirtAddr(0xffffffffd8c10123)), PhysAddr(0x463123));
    EXPECT_EQ(list(walk, 0xffffffffd8c00000, 0xffffffffdebfffff),
              (std::vector<Seen>{{VirtAddr(0xffffffffd8c10000), 0x1000, PhysAddr(0x463000), true}}));
}

TEST_F(PageWalkTest, TablesThatCannotBeReadAreGaps) {
    entry32(0x1000, 0x201, 0x00100063); // no memory there
    PageWalk walk(physical, paging_mode(x86_machine(), 0), 0x1000);
    EXPECT_TRUE(list(walk, 0xffffffff80400000, 0xffffffff80401fff).empty());
    EXPECT_FALSE(coverage.complete());
}

} // namespace
} // namespace poolkd::memory
