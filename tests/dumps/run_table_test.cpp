#include "dumps/run_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace poolkd::dumps {
namespace {

using Runs = std::vector<Run<PhysAddr>>;

Run<PhysAddr> run(std::uint64_t start, std::uint64_t bytes, std::uint64_t offset) {
    return {PhysAddr(start), bytes, FileOffset(offset)};
}

TEST(RunTable, JoinsNeighboursAndSorts) {
    ImageCoverage coverage;
    auto table = RunTable<PhysAddr>::build(
        {run(0x3000, 0x1000, 0x2000), run(0x1000, 0x1000, 0), run(0x2000, 0x1000, 0x1000)}, 0x10000, coverage);
    ASSERT_EQ(table.runs().size(), 1u);
    EXPECT_EQ(table.runs()[0].bytes, 0x3000u);
    EXPECT_EQ(table.end(), PhysAddr(0x4000));
    EXPECT_TRUE(coverage.complete());
    EXPECT_EQ(coverage.sentence(), "");
}

TEST(RunTable, FindsPiecesAndHoles) {
    ImageCoverage coverage;
    auto table = RunTable<PhysAddr>::build({run(0x1000, 0x1000, 0x500), run(0x4000, 0x800, 0x1500)}, 0x10000, coverage);
    auto piece = table.find(PhysAddr(0x1010), ~0ull);
    EXPECT_EQ(piece.offset, FileOffset(0x510));
    EXPECT_EQ(piece.bytes, 0xff0u);
    EXPECT_EQ(table.find(PhysAddr(0x1010), 8).bytes, 8u);
    piece = table.find(PhysAddr(0x2000), ~0ull);
    EXPECT_FALSE(piece.offset);
    EXPECT_EQ(piece.bytes, 0x2000u);
    EXPECT_EQ(table.find(PhysAddr(0), 0x5000).bytes, 0x1000u);
    EXPECT_EQ(table.find(PhysAddr(0x4800), 77).bytes, 77u);
}

TEST(RunTable, TellsWhatItLeavesOut) {
    ImageCoverage coverage;
    auto table = RunTable<PhysAddr>::build({run(0x1000, 0x2000, 0), run(0x2000, 0x2000, 0x8000), // 1000 told twice
                                            run(0x10000, 0x3000, 0xf000),                        // 2000 beyond the file
                                            run(1ull << 52, 0x1000, 0)},                         // nowhere
                                           0x10000, coverage);
    EXPECT_EQ(table.find(PhysAddr(0x2000), 1).offset, FileOffset(0x1000));
    EXPECT_EQ(table.find(PhysAddr(0x3000), 1).offset, FileOffset(0x9000));
    EXPECT_EQ(coverage.sentence(), "Partial: 16384 of 32768 bytes are not in the file (the file ends early: 8192, told "
                                   "twice: 4096, at impossible addresses: 4096).");
}

TEST(RunTable, TheSameBytesAgainAreNoLoss) {
    ImageCoverage coverage;
    auto table = RunTable<PhysAddr>::build(
        {run(0x1000, 0x3000, 0), run(0x2000, 0x1000, 0x1000), run(0x1000, 0x3000, 0)}, 0x10000, coverage);
    EXPECT_EQ(table.runs().size(), 1u);
    EXPECT_TRUE(coverage.complete());
}

TEST(RunTable, AbsurdRunsOverflowNothing) {
    ImageCoverage coverage;
    auto table = RunTable<PhysAddr>::build({run(~0ull, ~0ull, ~0ull), run(0xfff, ~0ull, 0), run(0x1000, ~0ull, 0x100)},
                                           0x10000, coverage);
    EXPECT_EQ(table.find(PhysAddr(0x1000), ~0ull).bytes, 0xffffu);
    EXPECT_FALSE(coverage.complete());
    ImageCoverage other;
    auto high = RunTable<VirtAddr>::build({{VirtAddr(0xfffffffffffff000), 0x1000, FileOffset(0)}}, 0x10000, other);
    EXPECT_EQ(high.find(VirtAddr(0xfffffffffffff800), 1).offset, FileOffset(0x800));
}

// Against the obvious: a byte for each address.
TEST(RunTable, AgreesWithAByteForEachAddress) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        Runs runs;
        for (int i = 0; i < 8; ++i)
            runs.push_back(run(random() % 200, random() % 40, random() % 300));
        std::vector<Runs::value_type> by_start = runs;
        std::ranges::sort(by_start, {}, [](const auto& r) { return std::pair(r.start, r.offset); });
        std::vector<int> offsets(400, -1);
        for (const auto& r : by_start)
            for (std::uint64_t i = 0; i < r.bytes; ++i)
                if (int& at = offsets[r.start.value + i]; at < 0 && r.offset.value + i < 256)
                    at = static_cast<int>(r.offset.value + i);
        ImageCoverage coverage;
        auto table = RunTable<PhysAddr>::build(runs, 256, coverage);
        std::uint64_t present = 0;
        for (std::uint64_t a = 0; a < 400; ++a) {
            const Piece piece = table.find(PhysAddr(a), 1000);
            EXPECT_EQ(piece.offset ? static_cast<int>(piece.offset->value) : -1, offsets[a]) << seed << " " << a;
            present += offsets[a] >= 0;
        }
        EXPECT_EQ(coverage.present, present) << seed;
    }
}

} // namespace
} // namespace poolkd::dumps
