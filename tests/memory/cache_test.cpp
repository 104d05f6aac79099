#include "memory/cache.h"
#include "support/fake_target.h"

#include <gtest/gtest.h>

#include <random>

namespace poolkd::memory {
namespace {

TEST(CachedSpace, NothingIsReadTwiceInOneEpoch) {
    testing::FakeMemory below;
    below.map(VirtAddr(0x10000), 0x8000);
    below.put_value(VirtAddr(0x11008), std::uint64_t{42});
    std::uint64_t epoch = 1;
    CachedSpace cache(below, [&] { return epoch; });
    EXPECT_EQ(read_unsigned(cache, VirtAddr(0x11008), 8).value_or(0), 42u);
    const auto bytes = below.bytes_read();
    EXPECT_LE(bytes, 64u);
    EXPECT_EQ(read_unsigned(cache, VirtAddr(0x11008), 8).value_or(0), 42u);
    EXPECT_EQ(below.bytes_read(), bytes);
    below.put_value(VirtAddr(0x11008), std::uint64_t{43});
    epoch = 2;
    EXPECT_EQ(read_unsigned(cache, VirtAddr(0x11008), 8).value_or(0), 43u);
}

TEST(CachedSpace, AHoleIsRememberedAndWhatLiesBeforeItIsGiven) {
    testing::FakeMemory below;
    below.map(VirtAddr(0x10000), 0x1000);
    CachedSpace cache(below, [] { return 1u; });
    ByteVector out(0x2000);
    ReadResult result = cache.read(VirtAddr(0x10f00), out);
    EXPECT_EQ(result.bytes, 0x100u);
    EXPECT_EQ(result.gap, GapReason::unmapped);
    const auto reads = below.reads();
    result = cache.read(VirtAddr(0x11010), MutableBytes(out).first(8));
    EXPECT_EQ(result.bytes, 0u);
    result = cache.read(VirtAddr(0x10ff8), MutableBytes(out).first(16));
    EXPECT_EQ(result.bytes, 8u);
    EXPECT_LE(below.reads(), reads + 1);
}

TEST(CachedSpace, AReadOverTheTopOfTheSpaceEndsThere) {
    testing::FakeMemory below;
    const VirtAddr last_page(0xfffffffffffff000);
    below.map(last_page, 0x1000);
    CachedSpace cache(below, [] { return 1u; });
    ByteVector out(16);
    ReadResult result = cache.read(last_page + 0xff8, out);
    EXPECT_EQ(result.bytes, 8u);
    EXPECT_EQ(result.gap, GapReason::unmapped);
}

TEST(CachedSpace, AgreesWithPlainReadsOnRandomRequests) {
    testing::FakeMemory below;
    std::mt19937_64 random(7);
    for (std::uint64_t page = 0; page < 32; ++page) {
        if (page % 5 == 3) continue;
        ByteVector bytes(4096);
        for (std::byte& b : bytes)
            b = static_cast<std::byte>(random());
        below.put(VirtAddr(0x100000 + page * 4096), Bytes(bytes));
    }
    CachedSpace cache(below, [] { return 1u; }, 12 * 4096); // a budget that is met often
    for (int i = 0; i < 3000; ++i) {
        VirtAddr at(0x100000 + random() % (32 * 4096));
        ByteVector a(random() % 20000), b(a.size());
        ReadResult x = cache.read(at, a), y = below.read(at, MutableBytes(b));
        ASSERT_EQ(x.bytes, y.bytes) << i;
        ASSERT_TRUE(std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(x.bytes), b.begin()));
    }
}

TEST(ReadSparse, HolesAreSkippedByPageAndTold) {
    testing::FakeMemory below;
    below.map(VirtAddr(0x10000), 0x1000);
    below.map(VirtAddr(0x12000), 0x1000);
    below.put_value(VirtAddr(0x12000), std::uint32_t{0x11223344});
    auto answer = read_sparse(below, VirtAddr(0x10000), 0x3000, 4096);
    EXPECT_EQ(answer.coverage.missing(), 0x1000u);
    EXPECT_EQ(answer.coverage.read(), 0x2000u);
    EXPECT_EQ(load_or<std::uint32_t>(answer.value, 0x2000), 0x11223344u);
    EXPECT_NE(answer.coverage.sentence().find("unmapped"), std::string::npos);
}

} // namespace
} // namespace poolkd::memory
