#include "dumps/page_bitmap.h"

#include <gtest/gtest.h>

#include <random>

namespace poolkd::dumps {
namespace {

// Against the obvious: counting set bits one by one.
TEST(PageBitmap, AgreesWithCounting) {
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::mt19937 random(seed);
        const std::uint64_t bits = 1 + random() % 3000;
        ByteVector bitmap((bits + 7) / 8);
        // Dense, sparse and mixed; bits behind the last may be anything.
        const std::uint64_t density = random() % 100;
        for (std::byte& b : bitmap)
            for (unsigned bit = 0; bit < 8; ++bit)
                if (random() % 100 < density) b |= static_cast<std::byte>(1u << bit);
        auto is_set = [&](std::uint64_t p) {
            return p < bits && (std::to_integer<unsigned>(bitmap[p / 8]) >> (p % 8) & 1) != 0;
        };
        std::uint64_t set = 0;
        for (std::uint64_t p = 0; p < bits; ++p)
            set += is_set(p);
        const std::uint64_t file_size =
            0x2000 + (set - std::min<std::uint64_t>(set, random() % 3)) * 4096 + random() % 2 * 100;
        ImageCoverage coverage;
        const PageBitmap table(bitmap, bits, FileOffset(0x2000), file_size, coverage);
        EXPECT_EQ(table.pages(), set);
        EXPECT_EQ(coverage.stated, set * 4096);
        std::uint64_t index = 0, present = 0;
        for (std::uint64_t p = 0; p < bits + 70; ++p) {
            const std::uint64_t wanted = 1 + random() % (1u << (random() % 24));
            const std::uint64_t into = random() % 4096;
            const Piece piece = table.find(PhysAddr(p * 4096 + into), wanted);
            std::uint64_t same = p; // pages like this one
            while (same < bits + 5000 && is_set(same) == is_set(p))
                ++same;
            std::uint64_t bytes = std::min(wanted, same * 4096 - (p * 4096 + into));
            if (same == bits + 5000) bytes = wanted;
            const std::uint64_t offset = 0x2000 + index * 4096 + into;
            if (is_set(p) && offset < file_size) {
                EXPECT_EQ(piece.offset, FileOffset(offset)) << seed << " page " << p;
                EXPECT_EQ(piece.bytes, std::min(bytes, file_size - offset)) << seed << " page " << p;
            } else {
                EXPECT_FALSE(piece.offset) << seed << " page " << p;
                EXPECT_EQ(piece.bytes, bytes) << seed << " page " << p;
            }
            if (is_set(p)) {
                present += std::min<std::uint64_t>(4096, file_size - std::min(file_size, 0x2000 + index * 4096));
                ++index;
            }
        }
        EXPECT_EQ(coverage.present, present);
    }
}

TEST(PageBitmap, EmptyOnes) {
    ImageCoverage coverage;
    const PageBitmap none({}, 1000, FileOffset(0x2000), 0x10000, coverage);
    EXPECT_EQ(none.find(PhysAddr(0), 5).bytes, 5u);
    EXPECT_EQ(none.end(), PhysAddr(0));
    EXPECT_TRUE(coverage.limit_reached);
}

TEST(PageBitmap, PagesBehindAllFilesAreNotThere) {
    const ByteVector bitmap(8, std::byte{0xff});
    ImageCoverage coverage;
    const PageBitmap table(bitmap, 64, FileOffset(~0ull - 0x1fff), 0x10000, coverage);
    for (std::uint64_t page = 0; page < 64; ++page)
        EXPECT_FALSE(table.find(PhysAddr(page * 4096), 8).offset) << page;
    EXPECT_EQ(coverage.present, 0u);
}

} // namespace
} // namespace poolkd::dumps
