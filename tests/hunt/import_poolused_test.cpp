#include "hunt/import/poolused_line.h"
#include "import_support.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace poolkd::hunt::import_poolused_test {
namespace {

using namespace imports;
using import::shows_a_part;

constexpr std::string_view classic = "   Sorting by  Tag\n\n  Pool Used:\n            NonPaged            Paged\n"
                                     " Tag    Allocs     Used    Allocs     Used\n";

TEST(ImportPoolused, ClassicWithDescriptionsGluedOn) {
    const Imported read =
        import_text("0: kd> !poolused\n" + std::string(classic) +
                    " 1394        1      520         0        0UNKNOWN pooltag '1394', please update pooltag.txt\n"
                    " AGP         1      344         2      384UNKNOWN pooltag 'AGP ', please update pooltag.txt\n"
                    " ohci        1      136         0        01394 OHCI host controller driver \n"
                    " ohcj        1      136         2      3841394 OHCI host controller driver \n"
                    " Zta         0        0     20481 19661760UNKNOWN pooltag 'Zta ', please update pooltag.txt\n"
                    " Dh 1        1        8         0        0Gdi\n"
                    " rx..        3     1248         0        0UNKNOWN pooltag '  rx', please update pooltag.txt\n"
                    " TOTAL       8     2392     20485 19662528\n0: kd> g\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    const Snapshot& s = read.snapshots[0];
    EXPECT_FALSE(s.activity);
    EXPECT_TRUE(s.whole);
    EXPECT_EQ(row(s, "AGP"), counts("AGP", PoolKind::nonpaged, 1, 0, 344));
    EXPECT_EQ(row(s, "AGP", PoolKind::paged), counts("AGP", PoolKind::paged, 2, 0, 384));
    EXPECT_EQ(row(s, "ohci"), counts("ohci", PoolKind::nonpaged, 1, 0, 136));
    EXPECT_EQ(row(s, "ohcj", PoolKind::paged), counts("ohcj", PoolKind::paged, 2, 0, 384));
    EXPECT_EQ(row(s, "Zta", PoolKind::paged).bytes, 19661760);
    EXPECT_EQ(row(s, "Dh 1").bytes, 8);
    EXPECT_EQ(row(s, "rx..").bytes, 1248);
    EXPECT_EQ(s.rows.size(), 9u) << "halves of nothing are left out of a whole table";
    EXPECT_EQ(s.evidence, "test, line 6");
    EXPECT_FALSE(read.noted("TOTAL"));
}

TEST(ImportPoolused, ATextThatOnlyQuotesARowIsNoted) {
    const std::string row = " Abc         1      344         2      384\n", text(60, '\n');
    EXPECT_TRUE(
        import_text("0: kd> !poolused\n" + std::string(classic) + row + text).noted("Of its 67 lines 1 hold counters"));
    std::string rows;
    for (char c = 'a'; c <= 'z'; ++c)
        rows += fmt::format(" Ab{}         1      344         2      384\n", c);
    EXPECT_FALSE(import_text("0: kd> !poolused\n" + std::string(classic) + rows + text).noted("hold counters"));
}

TEST(ImportPoolused, TheWiderLayoutOfToday) {
    const Imported read =
        import_text("..\n Sorting by NonPaged Pool Consumed\n\n               NonPaged                  Paged\n"
                    " Tag     Allocs         Used     Allocs         Used\n\n"
                    " Zta      20481     19661760          0            0\tUNKNOWN pooltag 'Zta '\n"
                    " EtwB        96      4063232          3       147456\t1 description , Binary: nt!etw\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_EQ(row(read.snapshots[0], "Zta"), counts("Zta", PoolKind::nonpaged, 20481, 0, 19661760));
    EXPECT_EQ(row(read.snapshots[0], "EtwB", PoolKind::paged).bytes, 147456);
    EXPECT_FALSE(read.snapshots[0].whole);
}

TEST(ImportPoolused, VerboseKnowsTheActivity) {
    const Imported read =
        import_text("  Pool Used:\n          NonPaged                              Paged\n"
                    " Tag    Allocs    Frees     Diff     Used    Allocs    Frees     Diff     Used\n"
                    " Abc        10        3        7      112         0        0        0        0\n"
                    " File        5        5        0        0         1        0        1       16\n"
                    " TOTAL      15        8        7      112         1        0        1       16\n");
    ASSERT_EQ(read.snapshots.size(), 1u);
    EXPECT_TRUE(read.snapshots[0].activity);
    EXPECT_TRUE(read.snapshots[0].whole);
    EXPECT_EQ(row(read.snapshots[0], "Abc"), counts("Abc", PoolKind::nonpaged, 10, 3, 112));
    EXPECT_EQ(row(read.snapshots[0], "File"), counts("File", PoolKind::nonpaged, 5, 5, 0));
}

std::string table(int allocs) {
    return fmt::format("{} Abc  {:8} {:8}  {:8} {:8}\n TOTAL{:8} {:8}  {:8} {:8}\n", classic, allocs, 16 * allocs, 0, 0,
                       allocs, 16 * allocs, 0, 0);
}

TEST(ImportPoolused, TablesOfALogWithItsTimes) {
    const Imported read = import_text(
        "lkd> .time\nDebug session time: Wed Nov 25 10:43:15.120 2026 (UTC + 1:00)\nSystem Uptime: 1 days 5:02:03.140\n"
        "lkd> !poolused 2\n" +
        table(10) + "lkd> !poolused 4\n" + table(10) + "lkd> !poolused 4\n" + table(20) + "lkd> !poolused 4 Abc\n" +
        table(30));
    ASSERT_EQ(read.snapshots.size(), 3u);
    EXPECT_EQ(read.snapshots[0].time, at(1795599795120));
    EXPECT_EQ(read.snapshots[0].uptime, std::chrono::milliseconds(((24 + 5) * 3600 + 2 * 60 + 3) * 1000 + 140));
    EXPECT_FALSE(read.snapshots[1].time);
    EXPECT_TRUE(read.snapshots[1].whole);
    EXPECT_FALSE(read.snapshots[2].whole);
    EXPECT_TRUE(read.noted("repeats the one before"));
}

TEST(ImportPoolused, TotalsAreChecked) {
    std::string text = table(10);
    text.replace(text.find("TOTAL      10"), 13, "TOTAL      11");
    const Imported read = import_text(text);
    EXPECT_TRUE(read.noted("1 line with a TOTAL that is not the sum of its table (line 7)"));
    EXPECT_FALSE(read.snapshots.at(0).whole);

    // poolkd's own `/t 1`: the total is of all.
    text.insert(text.find(" TOTAL"), " ... 3 more tags; TOTAL counts them too\n");
    EXPECT_FALSE(import_text(text).noted("TOTAL"));
    EXPECT_FALSE(import_text(text).snapshots.at(0).whole);
}

TEST(ImportPoolused, CommandsThatShowAPart) {
    EXPECT_FALSE(shows_a_part("!poolused"));
    EXPECT_FALSE(shows_a_part("!poolused 4"));
    EXPECT_FALSE(shows_a_part("!poolused 2 *"));
    EXPECT_TRUE(shows_a_part("!poolused 2 Abc?"));
    EXPECT_TRUE(shows_a_part("!poolused /t 5 2"));
    EXPECT_TRUE(shows_a_part("!poolused /t5"));
}

TEST(ImportPoolused, RealTranscripts) {
    const std::filesystem::path folder = std::filesystem::path(POOLKD_SHARED_DATA) / "transcripts";
    for (auto [file, rows] : {std::pair{"poolused.txt", 70u},
                              std::pair{"using-the-kernel-debugger-to-find-a-kernel-mode-memory-leak.txt", 10u}}) {
        if (!std::filesystem::exists(folder / file)) GTEST_SKIP() << "no " << folder / file;
        std::stringstream text;
        text << std::ifstream(folder / file, std::ios::binary).rdbuf();
        const Imported read = import_text(text.str());
        ASSERT_EQ(read.snapshots.size(), 1u);
        EXPECT_EQ(read.snapshots[0].rows.size(), rows) << file;
        EXPECT_FALSE(read.snapshots[0].whole);
        if (std::string_view(file) != "poolused.txt") continue;
        EXPECT_EQ(row(read.snapshots[0], "usbp"), counts("usbp", PoolKind::nonpaged, 18, 0, 77056));
        EXPECT_EQ(row(read.snapshots[0], "ohci"), counts("ohci", PoolKind::nonpaged, 1, 0, 136));
        EXPECT_EQ(row(read.snapshots[0], "ohci", PoolKind::paged).bytes, 0);
    }
}

} // namespace
} // namespace poolkd::hunt::import_poolused_test
