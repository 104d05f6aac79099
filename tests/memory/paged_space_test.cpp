#include "memory/paged_space.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

#include <random>

namespace poolkd::memory {
namespace {

class PagedSpaceTest : public ::testing::Test {
  protected:
    void entry(std::uint64_t at, std::uint64_t value) { physical.put_value(PhysAddr(at), value); }
    void entry32(std::uint64_t at, std::uint32_t value) { physical.put_value(PhysAddr(at), value); }
    poolkd::testing::FakePhysicalMemory physical;
};

TEST_F(PagedSpaceTest, ReadsAcrossPagesThatLieApart) {
    entry(0x1000 + 8 * 0x1f0, 0x2003); // fffff800`00000000
    entry(0x2000, 0x3003);
    entry(0x3000, 0x4003);
    entry(0x4000, 0x9003);
    entry(0x4008, 0x7003);
    entry(0x4010, 0x50003);  // not in the image
    entry(0x3008, 0x600083); // 2 MiB
    physical.put_value(PhysAddr(0x9ff8), std::uint64_t{1});
    physical.put_value(PhysAddr(0x7000), std::uint64_t{2});
    physical.put_value(PhysAddr(0x612340), std::uint64_t{3});
    PagedSpace space(physical, paging_mode(x64_machine(), 0), 0x1002, 8); // bits of CR3 that are no address
    ByteVector out(16);
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000000ff8), out).bytes, 16u);
    EXPECT_EQ(load<std::uint64_t>(out, 0), 1u);
    EXPECT_EQ(load<std::uint64_t>(out, 8), 2u);
    EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000212340), 8), 3u);
    const auto absent = space.read(VirtAddr(0xfffff80000002000), out);
    EXPECT_EQ(absent.bytes, 0u);
    EXPECT_EQ(absent.gap, GapReason::unmapped); // as the fake memory calls it
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000003000), out).gap, GapReason::unmapped);
    EXPECT_EQ(space.read(VirtAddr(0x0800000000000ff8), out).gap, GapReason::unmapped); // not canonical
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000001ff8), out).bytes, 8u);
}

TEST_F(PagedSpaceTest, Of32BitsWithAndWithoutPae) {
    entry32(0x1000 + 4 * 0x201, 0x2063);
    entry32(0x2000 + 4 * 3, 0x7063);
    physical.put_value(PhysAddr(0x7010), std::uint32_t{5});
    PagedSpace plain(physical, paging_mode(x86_machine(), 0), 0x1018, 4);
    EXPECT_EQ(*read_unsigned(plain, VirtAddr(0xffffffff80403010), 4), 5u);
    entry(0x8020 + 8 * 2, 0x3001);
    entry(0x3000 + 8 * 2, 0x4063);
    entry(0x4000 + 8 * 3, 0x7063);
    PagedSpace pae(physical, paging_mode(x86_machine(), 0x20), 0x8020, 4);
    EXPECT_EQ(*read_unsigned(pae, VirtAddr(0xffffffff80403010), 4), 5u);
}

TEST_F(PagedSpaceTest, EntriesOfTheSystemAreAskedForSmallPagesOnly) {
    entry(0x1000 + 8 * 0x1f0, 0x2003);
    entry(0x2000, 0x3003);
    entry(0x2008, 0x9800);
    entry(0x3000, 0x4003);
    entry(0x4000, 0x9800);
    entry(0x4008, 0x9400);
    physical.put_value(PhysAddr(0x9010), std::uint64_t{1});
    PagedSpace space(physical, paging_mode(x64_machine(), 0), 0x1000, 8);
    EXPECT_FALSE(read_unsigned(space, VirtAddr(0xfffff80000000010), 8));
    space.use_software_entries([](const PagingMode&, std::uint64_t value) {
        return value & 0x800 ? SoftwarePage{.page = PhysAddr(value & ~std::uint64_t{0xfff})} : SoftwarePage{};
    });
    EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000000010), 8), 1u);
    EXPECT_FALSE(read_unsigned(space, VirtAddr(0xfffff80000001010), 8));
    EXPECT_FALSE(read_unsigned(space, VirtAddr(0xfffff80040000010), 8));
}

TEST_F(PagedSpaceTest, RemembersPagesUnlessMemoryChanges) {
    for (const bool changing : {false, true}) {
        entry(0x1000 + 8 * 0x1f0, 0x2003);
        entry(0x2000, 0x3003);
        entry(0x3000, 0x4003);
        entry(0x4000, 0x9003);
        physical.put_value(PhysAddr(0x9000), std::uint64_t{1});
        physical.put_value(PhysAddr(0xa000), std::uint64_t{2});
        PagedSpace space(physical, paging_mode(x64_machine(), 0), 0x1000, 8, changing);
        EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000000000), 8), 1u);
        entry(0x4000, 0xa003);
        EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000000000), 8), changing ? 2u : 1u);
    }
}

TEST_F(PagedSpaceTest, SaysWhyASmallPageIsNotThere) {
    entry(0x1000 + 8 * 0x1f0, 0x2003);
    entry(0x2000, 0x3003);
    entry(0x3000, 0x4003);
    entry(0x4000, 0x80);
    entry(0x4008, 0x180);
    PagedSpace space(physical, paging_mode(x64_machine(), 0), 0x1000, 8);
    space.use_software_entries([](const PagingMode&, std::uint64_t value) {
        return SoftwarePage{.gap = value == 0x80 ? GapReason::demand_zero : GapReason::paged_out};
    });
    ByteVector out(8);
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000000000), out).gap, GapReason::demand_zero);
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000001000), out).gap, GapReason::paged_out);
    const auto error = read_exact(space, VirtAddr(0xfffff80000001000), 8).error();
    EXPECT_EQ(error.message, "Memory at fffff800`00001000 cannot be read (paged out)");
}

TEST_F(PagedSpaceTest, FollowsAPrototypeOnce) {
    entry(0x1000 + 8 * 0x1f0, 0x2003);
    entry(0x2000, 0x3003);
    entry(0x3000, 0x4003);
    entry(0x4000, 0x5003); // where the prototypes lie
    entry(0x4008, 0x400);  // of these pages
    entry(0x4010, 0x402);
    entry(0x4018, 0x404);
    entry(0x5000, 0x9003);
    entry(0x5008, 0x80);
    entry(0x5010, 0x400); // of a file's page: a prototype of a prototype
    physical.put_value(PhysAddr(0x9010), std::uint64_t{7});
    PagedSpace space(physical, paging_mode(x64_machine(), 0), 0x1000, 8);
    space.use_software_entries([](const PagingMode&, std::uint64_t value) -> SoftwarePage {
        if (value == 0x80) return {.gap = GapReason::demand_zero};
        return {.prototype = VirtAddr(0xfffff80000000000 + (value & 0xff) * 4)};
    });
    EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000001010), 8), 7u);
    ByteVector out(8);
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000002000), out).gap, GapReason::demand_zero);
    EXPECT_EQ(space.read(VirtAddr(0xfffff80000003000), out).gap, GapReason::paged_out);
    EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000001010), 8), 7u);
}

// Against the other walker, on tables of random entries that point anywhere, also at themselves.
TEST_F(PagedSpaceTest, AgreesWithPageWalk) {
    std::mt19937_64 random(5);
    for (std::uint64_t at = 0; at < 0x8000; at += 8) {
        std::uint64_t value = (random() % 9) << 12 | (random() % 8 ? 0x63 : 0x62) | (random() % 16 ? 0 : 0x80);
        entry(at, value | (random() % 4 ? 0 : 1ull << 63));
    }
    for (const std::uint64_t cr4 : {std::uint64_t{0}, std::uint64_t{0x1000}}) {
        const PagingMode& mode = paging_mode(x64_machine(), cr4);
        PagedSpace space(physical, mode, 0x1000, 8);
        PageWalk walk(physical, mode, 0x1000);
        for (int i = 0; i < 3000; ++i) {
            const VirtAddr address(static_cast<std::uint64_t>(static_cast<std::int64_t>(random() << 16) >> 16) & ~7ull);
            const auto there = walk.translate(address);
            std::uint64_t expected = 0, got = 0;
            const bool readable =
                there && physical.read(*there, std::as_writable_bytes(std::span(&expected, 1))).bytes == 8;
            const auto result = space.read(address, std::as_writable_bytes(std::span(&got, 1)));
            EXPECT_EQ(result.bytes == 8, readable) << std::hex << address.value;
            EXPECT_EQ(got, readable ? expected : 0);
        }
    }
}

} // namespace
} // namespace poolkd::memory
