#include "memory/paged_space.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace poolkd::memory {
namespace {

/// Memory that can be read in place, but for one page.
class MemoryInPlace : public PhysicalMemory {
  public:
    explicit MemoryInPlace(std::size_t size) : bytes_(size) {}

    void put(std::uint64_t at, std::uint64_t value) { store(MutableBytes(bytes_), at, value); }
    void take_out(std::uint64_t page) { absent_ = page; }
    ReadResult read(PhysAddr address, MutableBytes out) override {
        const Bytes there = view(address, out.size());
        std::ranges::copy(there, out.begin());
        if (there.size() < out.size()) return {there.size(), GapReason::not_in_image};
        return {there.size()};
    }
    Bytes view(PhysAddr address, std::size_t wanted) override {
        const std::uint64_t end = address.value < absent_            ? std::min<std::uint64_t>(absent_, bytes_.size())
                                  : address.value < absent_ + 0x1000 ? 0
                                                                     : bytes_.size();
        if (address.value >= end) return {};
        return Bytes(bytes_).subspan(address.value, std::min<std::uint64_t>(wanted, end - address.value));
    }
    [[nodiscard]] const std::byte* at(std::uint64_t address) const { return bytes_.data() + address; }

  private:
    ByteVector bytes_;
    std::uint64_t absent_ = ~0ull - 0x1000;
};

/// The same, whose views may be kept until they break.
class LastingMemory final : public MemoryInPlace, public LastingViews {
  public:
    using MemoryInPlace::MemoryInPlace;
    [[nodiscard]] bool views_hold() const override { return !broken; }
    Bytes view(PhysAddr address, std::size_t wanted) override {
        ++views;
        return broken ? Bytes() : MemoryInPlace::view(address, wanted);
    }
    bool broken = false;
    std::size_t views = 0;
};

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

// Against the other walker, on tables of random entries that point anywhere, also at themselves: memory that is copied,
// and memory in place, of which more is remembered.
TEST_F(PagedSpaceTest, AgreesWithPageWalk) {
    std::mt19937_64 random(5);
    MemoryInPlace in_place(0x9000);
    LastingMemory lasting(0x9000);
    for (std::uint64_t at = 0; at < 0x8000; at += 8) {
        std::uint64_t value = (random() % 9) << 12 | (random() % 8 ? 0x63 : 0x62) | (random() % 16 ? 0 : 0x80);
        value |= random() % 4 ? 0 : 1ull << 63;
        entry(at, value);
        in_place.put(at, value);
        lasting.put(at, value);
    }
    PhysicalMemory* const memories[] = {&physical, &in_place, &lasting};
    for (PhysicalMemory* memory : memories) {
        const auto* const viewed = dynamic_cast<MemoryInPlace*>(memory);
        for (const std::uint64_t cr4 : {std::uint64_t{0}, std::uint64_t{0x1000}}) {
            const PagingMode& mode = paging_mode(x64_machine(), cr4);
            PagedSpace space(*memory, mode, 0x1000, 8);
            PageWalk walk(*memory, mode, 0x1000);
            std::vector<VirtAddr> asked;
            for (int i = 0; i < 6000; ++i) {
                const auto anywhere = static_cast<std::uint64_t>(static_cast<std::int64_t>(random() << 16) >> 16);
                // Each second time near one that was asked for: in its page, or in its region.
                const VirtAddr address(i % 2 == 0
                                           ? anywhere & ~7ull
                                           : (asked[random() % asked.size()].value ^ (random() % 0x20000 & ~7ull)));
                asked.push_back(address);
                const auto there = walk.translate(address);
                std::uint64_t expected = 0, got = 0;
                const bool readable =
                    there && memory->read(*there, std::as_writable_bytes(std::span(&expected, 1))).bytes == 8;
                const auto result = space.read(address, std::as_writable_bytes(std::span(&got, 1)));
                EXPECT_EQ(result.bytes == 8, readable) << std::hex << address.value;
                EXPECT_EQ(got, readable ? expected : 0);
                const Bytes view = space.view(address, 0x3000);
                ASSERT_EQ(view.empty(), !readable || !viewed) << std::hex << address.value;
                for (std::size_t at = 0; at < view.size(); at += 0x1000) {
                    const auto page = walk.translate(address + at);
                    ASSERT_TRUE(page) << std::hex << address.value;
                    EXPECT_EQ(view.data() + at, viewed->at(page->value));
                }
            }
        }
    }
}

TEST_F(PagedSpaceTest, ShowsInOnePieceWhatLiesTogether) {
    MemoryInPlace memory(0x800000);
    const std::uint64_t base = 0xfffff80000000000;
    memory.put(0x1000 + 8 * 0x1f0, 0x2003);
    memory.put(0x2000, 0x3003);
    memory.put(0x3000, 0x4003);
    memory.put(0x3008, 0x400083); // 2 MiB
    memory.put(0x3010, 0x600083); // the next ones
    for (std::uint64_t i = 0; i < 512; ++i)
        memory.put(0x4000 + 8 * i, 0x10003 + i * 0x1000);
    memory.put(0x4000 + 8 * 2, 0x20003);    // another place
    memory.put(0x4000 + 8 * 4, 0x14002);    // not present
    memory.put(0x4000 + 8 * 511, 0x3ff003); // in front of the large page's own place
    PagedSpace space(memory, paging_mode(x64_machine(), 0), 0x1000, 8);
    auto view = [&](std::uint64_t offset, std::size_t wanted) { return space.view(VirtAddr(base + offset), wanted); };
    EXPECT_EQ(view(0x10, 0x100000).data(), memory.at(0x10010));
    EXPECT_EQ(view(0x10, 0x100000).size(), 0x1ff0u);
    EXPECT_EQ(view(0x10, 0x1000).size(), 0x1000u);
    EXPECT_EQ(view(0x10, 8).size(), 8u);
    EXPECT_EQ(view(0x2ff8, 0x1000).size(), 8u);
    EXPECT_EQ(view(0x3000, 0x2000).size(), 0x1000u) << "the page behind it is not there";
    EXPECT_TRUE(view(0x4000, 8).empty());
    EXPECT_EQ(view(0x5000, 0x200000).data(), memory.at(0x15000));
    EXPECT_EQ(view(0x5000, 0x200000).size(), (511u - 5) * 0x1000);
    EXPECT_EQ(view(0x1ff000, 0x2000).size(), 0x1000u) << "the next table maps what follows";
    EXPECT_EQ(view(0x2ff000, 0x400000).data(), memory.at(0x4ff000));
    EXPECT_EQ(view(0x2ff000, 0x400000).size(), 0x101000u);
    memory.take_out(0x12000);
    EXPECT_EQ(view(0x5000, 0x200000).size(), (511u - 5) * 0x1000);
    memory.take_out(0x11000);
    EXPECT_EQ(view(0x10, 0x100000).size(), 0xff0u) << "the image lacks the page";
    EXPECT_TRUE(view(0x1000, 8).empty());
}

TEST_F(PagedSpaceTest, ReadsWhereTheMemoryIsAsLongAsViewsHold) {
    LastingMemory memory(0x20000);
    const std::uint64_t base = 0xfffff80000000000;
    memory.put(0x1000 + 8 * 0x1f0, 0x2003);
    memory.put(0x2000, 0x3003);
    memory.put(0x3000, 0x4003);
    for (std::uint64_t i = 0; i < 16; ++i) {
        memory.put(0x4000 + 8 * i, 0x1f003 - i * 0x1000);
        memory.put(0x1f000 - i * 0x1000, i);
    }
    memory.put(0x4000 + 8 * 16, 0x2000ff003); // beyond the memory
    memory.take_out(0x18000);
    PagedSpace space(memory, paging_mode(x64_machine(), 0), 0x1000, 8);
    auto read = [&](std::uint64_t page) { return read_unsigned(space, VirtAddr(base + page * 0x1000), 8); };
    std::byte across[16];
    for (int round = 0; round < 3; ++round) {
        for (const std::uint64_t page : {3u, 2u, 5u, 0u, 9u, 15u, 8u, 7u, 6u}) {
            ASSERT_EQ(read(page).has_value(), page != 7) << page;
            if (page != 7) EXPECT_EQ(*read(page), page);
        }
        EXPECT_FALSE(read(16));
        EXPECT_EQ(space.read(VirtAddr(base + 0x2ff8), across).bytes, 16u);
        EXPECT_EQ(load<std::uint64_t>(across, 8), 3u);
        EXPECT_EQ(space.read(VirtAddr(base + 0x6ff8), across).bytes, 8u) << "page 7 is not there";
    }
    EXPECT_EQ(*read(6), 6u); // the lowest above the hole
    const std::size_t views = memory.views;
    for (const std::uint64_t page : {5u, 0u, 2u})
        EXPECT_EQ(*read(page), page);
    EXPECT_EQ(memory.views, views) << "nothing is asked again";
    memory.broken = true;
    memory.put(0x4000, 0); // what a lost page of tables shows from then on
    EXPECT_EQ(space.read(VirtAddr(base), across).gap, GapReason::not_in_image) << "the table itself is not there";
    EXPECT_TRUE(space.view(VirtAddr(base), 8).empty());
}

// Regions by the thousand: each has its place among those remembered, which others take from it.
TEST_F(PagedSpaceTest, RegionsThatShareAPlaceAreNotMixedUp) {
    MemoryInPlace memory(0x10000);
    memory.put(0x1000 + 8 * 0x1f0, 0x2003);
    for (std::uint64_t i = 0; i < 24; ++i) // GiB: 8 of them have as many regions as there are places
        memory.put(0x2000 + 8 * i, 0x3003 + (i / 8) * 0x1000);
    for (std::uint64_t i = 0; i < 3; ++i) {
        memory.put(0x3000 + i * 0x1000, 0x6003 + i * 0x1000);
        memory.put(0x6000 + i * 0x1000, 0x9003 + i * 0x1000);
        memory.put(0x9000 + i * 0x1000, i + 1);
    }
    PagedSpace space(memory, paging_mode(x64_machine(), 0), 0x1000, 8);
    for (int round = 0; round < 2; ++round)
        for (std::uint64_t i = 0; i < 3; ++i)
            EXPECT_EQ(*read_unsigned(space, VirtAddr(0xfffff80000000000 + (i << 33)), 8), i + 1);
}

} // namespace
} // namespace poolkd::memory
