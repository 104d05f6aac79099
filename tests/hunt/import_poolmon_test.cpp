#include "hunt/import/poolmon_line.h"
#include "import_support.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace poolkd::hunt::import_poolmon_test {
namespace {

using namespace imports;
using import::poolmon_row;

constexpr std::string_view header = " Tag  Type     Allocs            Frees            Diff   Bytes       Per Alloc\n";

TEST(ImportPoolmon, RowsInAllTheirVariants) {
    struct Case {
        std::string_view line;
        TagCounts counts;
    };
    const Case cases[] = {
        {" Wait Nonp    3971107 (   0)   3971077 (   0)       30    8456 (     0)    281",
         counts("Wait", PoolKind::nonpaged, 3971107, 3971077, 8456)},
        {" EtwB Nonp       6394      4056      2338 163418368      69896",
         counts("EtwB", PoolKind::nonpaged, 6394, 4056, 163418368)},
        {" Io   Nonp    1021112 (   1)   1020985 (   1)      127   91912 (     0)    723",
         counts("Io  ", PoolKind::nonpaged, 1021112, 1020985, 91912)},
        {" NtFA Nonp       9112 (   0)      9112 (   0)     0       0 (     0)      0 [ntfs.sys  -  AttrSup.c]",
         counts("NtFA", PoolKind::nonpaged, 9112, 9112, 0)},
        {" 1MEM Nonp       1 (   0)         0 (   0)     1    3344 (     0)   3344   Unknown Driver",
         counts("1MEM", PoolKind::nonpaged, 1, 0, 3344)},
        {"Drsd Paged       560 ( 177)       539 ( 171)       21   17472 (  4992)    832 ",
         counts("Drsd", PoolKind::paged, 560, 539, 17472)},
        {" Dh 1 Paged        24 (   0)        24 (   0)        0       0 (     0)      0",
         counts("Dh 1", PoolKind::paged, 24, 24, 0)},
        {"Dh 2 Paged       367 (   0)       364 (   0)        3     912 (     0)    304 Unknown Driver",
         counts("Dh 2", PoolKind::paged, 367, 364, 912)},
        {"CM       Paged     1283  ( 0)    1002  ( 0)     281    1377312   ( 0)    4901",
         counts("CM", PoolKind::paged, 1283, 1002, 1377312)},
        {"     Fat  Paged    6662 (   8)    4971 (   6)   1691  174560 (   128)  103",
         counts("Fat", PoolKind::paged, 6662, 4971, 174560)},
        {"HidC   Paged    1667 (  0)    1659 (  0)     8      896 (     0)   112 [hidclass.sys - HID Class d ",
         counts("HidC", PoolKind::paged, 1667, 1659, 896)},
        {" Nonp Nonp         7 (   0)         0 (   0)        7     112 (     0)     16",
         counts("Nonp", PoolKind::nonpaged, 7, 0, 112)},
        // A first blank is part of the tag where PoolMon's own columns are kept.
        {"  abc Nonp         7         0         7     112     16", counts(" abc", PoolKind::nonpaged, 7, 0, 112)},
        // Wide numbers run together.
        {" Zta  Paged4000000000 (   0)3999000000 (   0)  100000012345678 (     0)     12",
         counts("Zta", PoolKind::paged, 4000000000, 3999000000, 12345678)},
        // 32 bits, printed as if they had a sign; and allocations that have wrapped.
        {" Zta  Nonp -294967296 (   0)-295967296 (   0)  1000000   16000000 (     0)     16",
         counts("Zta", PoolKind::nonpaged, 4000000000, 3999000000, 16000000)},
        {" Zta  Nonp       100 (   0)4294967290 (   0)     106      16000 (     0)    150",
         counts("Zta", PoolKind::nonpaged, 100, 4294967290, 16000)},
    };
    for (const Case& one : cases) {
        const auto row = poolmon_row(one.line);
        ASSERT_TRUE(row) << one.line;
        EXPECT_EQ(row->counts, one.counts)
            << one.line << " " << row->counts.allocs << " " << row->counts.frees << " " << row->counts.bytes;
        EXPECT_FALSE(row->contradicts) << one.line;
    }
}

TEST(ImportPoolmon, LinesThatAreNoRows) {
    const std::string_view lines[] = {"",
                                      " ",
                                      "Nonp",
                                      " Abc  Nonp",
                                      " Abc  Nonp  12",
                                      " Abc  Nonp  12 (  0)",
                                      " Abcde Nonp 1 0 1 16 16",
                                      header,
                                      " Memory:  260620K Avail:   96364K",
                                      " Abc  Nonp 99999999999999999999 0 1 2 3",
                                      " Abc  Nonp 1 ( 0 0 1 16",
                                      "-----",
                                      "..."};
    for (std::string_view line : lines)
        EXPECT_FALSE(poolmon_row(line)) << line;
    const auto odd = poolmon_row(" Abc  Nonp      10         3        99     160     16");
    ASSERT_TRUE(odd);
    EXPECT_TRUE(odd->contradicts);
}

TEST(ImportPoolmon, OneScreenWithChangesIsTwoSnapshots) {
    const Imported read =
        import_text(std::string("# 1764063795\r\n"
                                " Memory: 4193784K Avail: 2871120K  PageFlts:   412   InRam Krnl: 8112K P:201344K\r\n"
                                " Commit:1690212K Limit:6290936K Peak:1801440K            Pool N:94112K P:231808K\r\n"
                                " System pool information\r\n") +
                    std::string(header) +
                    "\r\n"
                    " Zta  Nonp      20711 (  52)       230 (   0)    20481 19661760 ( 49920)    960\r\n"
                    " File Nonp     884120 (  31)    882011 (  29)     2109   792984 (  -752)    376\r\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    const Snapshot& before = read.snapshots[0];
    const Snapshot& now = read.snapshots[1];
    EXPECT_EQ(now.time, at(1764063795000));
    EXPECT_EQ(before.time, at(1764063790000));
    EXPECT_FALSE(now.time_assumed);
    EXPECT_FALSE(now.whole);
    EXPECT_EQ(row(now, "Zta"), counts("Zta", PoolKind::nonpaged, 20711, 230, 19661760));
    EXPECT_EQ(row(before, "Zta"), counts("Zta", PoolKind::nonpaged, 20659, 230, 19611840));
    EXPECT_EQ(row(before, "File"), counts("File", PoolKind::nonpaged, 884089, 881982, 793736));
    EXPECT_EQ(now.memory.physical, 4193784u * 1024ull);
    EXPECT_EQ(now.memory.available, 2871120u * 1024ull);
    EXPECT_EQ(now.memory.commit, 1690212u * 1024ull);
    EXPECT_EQ(now.memory.commit_limit, 6290936u * 1024ull);
    EXPECT_EQ(now.memory.commit_peak, 1801440u * 1024ull);
    EXPECT_EQ(now.memory.nonpaged, 94112u * 1024ull);
    EXPECT_EQ(now.memory.paged, 231808u * 1024ull);
}

std::string screen(std::string_view above, int allocs) {
    return fmt::format("{}\n Memory:  260620K Avail:   96364K  PageFlts:     0   InRam Krnl: 1916K P:17856K\n"
                       " Commit: 203500K Limit: 640916K Peak: 260632K            Pool N: 8332K P:27220K\n"
                       " System pool information\n{}\n"
                       " Abc  Nonp    {} (   1)   0 (   1)       {}    8456 (     0)    281\n",
                       above, header, allocs, allocs);
}

TEST(ImportPoolmon, ScreensOneAfterTheOther) {
    const Imported read =
        import_text(screen("Wed 11/25/2026 09:43:15.12", 10) + screen("11/25/2026 9:44 AM", 20) +
                    screen("=== 2026-11-25T09:45:15Z ===", 30) +
                    screen("The current date is: Wed 11/25/2026\nThe current time is:  9:46:15.12", 40) +
                    screen("Wed 11/25/2026\n09:47 AM", 50));
    ASSERT_EQ(read.snapshots.size(), 5u);
    const std::int64_t start = 1795599795120; // 2026-11-25 09:43:15.12
    EXPECT_EQ(read.snapshots[0].time, at(start));
    EXPECT_EQ(read.snapshots[1].time, at(start - 15120 + 60'000));
    EXPECT_EQ(read.snapshots[2].time, at(start - 120 + 120'000));
    EXPECT_EQ(read.snapshots[3].time, at(start + 180'000));
    EXPECT_EQ(read.snapshots[4].time, at(start - 15120 + 240'000));
    for (std::size_t i = 0; i < 5; ++i)
        EXPECT_EQ(row(read.snapshots[i], "Abc").allocs, 10 * (i + 1));
    EXPECT_EQ(read.snapshots[1].evidence, "test, line 8");
    EXPECT_THAT(read.notes, ::testing::IsEmpty());
}

TEST(ImportPoolmon, ScreensWithoutTimes) {
    const std::string text = screen("", 10) + screen("", 20) + screen("", 30);
    const Imported none = import_text(text);
    ASSERT_EQ(none.snapshots.size(), 3u);
    EXPECT_FALSE(none.snapshots[0].time);
    EXPECT_TRUE(none.noted("no times"));

    const Imported spaced = import_text(text, {.interval = std::chrono::seconds(60), .uptime = std::chrono::hours(3)});
    ASSERT_EQ(spaced.snapshots.size(), 3u);
    EXPECT_EQ(*spaced.snapshots[1].time - *spaced.snapshots[0].time, std::chrono::seconds(60));
    EXPECT_EQ(*spaced.snapshots[2].time - *spaced.snapshots[1].time, std::chrono::seconds(60));
    EXPECT_TRUE(spaced.snapshots[1].time_assumed);
    EXPECT_TRUE(spaced.noted("assumed"));
    EXPECT_EQ(spaced.snapshots[2].uptime, std::chrono::hours(3));
    EXPECT_FALSE(spaced.snapshots[1].uptime);
}

TEST(ImportPoolmon, SomeScreensWithoutTimes) {
    const std::string text = screen("# 1764063795", 10) + screen("", 20) + screen("# 1764064000", 30);
    const Imported read = import_text(text, {.interval = std::chrono::seconds(60), .uptime = std::nullopt});
    ASSERT_EQ(read.snapshots.size(), 3u);
    EXPECT_EQ(read.snapshots[1].time, at(1764063855000));
    EXPECT_TRUE(read.snapshots[1].time_assumed);
    EXPECT_FALSE(read.snapshots[2].time_assumed);
    EXPECT_TRUE(read.noted("Some times are assumed"));
    EXPECT_FALSE(import_text(text).snapshots.at(1).time);
}

TEST(ImportPoolmon, Utf16AndMarks) {
    const std::string text = screen("", 10) + screen("", 20);
    for (const std::string& form : {utf16(text), "\xef\xbb\xbf" + text}) {
        const Imported read = import_text(form);
        ASSERT_EQ(read.snapshots.size(), 2u);
        EXPECT_EQ(row(read.snapshots[1], "Abc").allocs, 20u);
    }
}

TEST(ImportPoolmon, ManyRowsOfBothPoolsAreWhole) {
    std::string rows(header);
    for (int i = 0; i < 250; ++i)
        rows += fmt::format(" T{:03} {} {} {} {} {} {}\n", i, i % 2 == 0 ? "Nonp " : "Paged", 10, 3, 7, 700, 100);
    EXPECT_TRUE(import_text(rows).snapshots.at(0).whole);
    EXPECT_FALSE(import_text(rows + " ...\n").snapshots.at(0).whole);
}

TEST(ImportPoolmon, SessionScreensAreLeftOut) {
    std::string session = screen("", 99);
    session.replace(session.find("System"), 6, "Session 0");
    const Imported read = import_text(screen("", 10) + session + screen("", 20));
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(row(read.snapshots[1], "Abc").allocs, 20u);
    EXPECT_TRUE(read.noted("session pool"));
}

TEST(ImportPoolmon, UnreadableLinesAreCounted) {
    const Imported read = import_text(screen("", 10) + " Abc  Nonp    12\n garbage\n");
    EXPECT_TRUE(read.noted("2 lines could not be read (the first: line 8)"));
}

std::filesystem::path shared(std::string_view name) {
    return std::filesystem::path(POOLKD_SHARED_DATA) / name;
}

TEST(ImportPoolmon, RealSnapshot) {
    const auto path = shared("poolmon/intel-mfd-poolsnap.log");
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
    Work work;
    auto source = open_evidence(path, {}, work);
    ASSERT_TRUE(source) << source.error().message;
    auto all = read_all(**source, work);
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 1u);
    const Snapshot& snapshot = all->front();
    EXPECT_TRUE(snapshot.time_assumed);
    EXPECT_EQ(snapshot.rows.size(), 13u);
    EXPECT_EQ(row(snapshot, "EtwB"), counts("EtwB", PoolKind::nonpaged, 6394, 4056, 163418368));
    EXPECT_EQ(row(snapshot, "CM25", PoolKind::paged), counts("CM25", PoolKind::paged, 4849, 0, 21708800));
    EXPECT_EQ(snapshot.memory.nonpaged, 710920u * 1024ull);
    EXPECT_EQ((*source)->notes().size(), 1u);
}

TEST(ImportPoolmon, RealTranscripts) {
    struct Case {
        std::string_view file;
        std::size_t snapshots;
        std::size_t rows; ///< of the first
    };
    for (const Case& one :
         {Case{"transcripts/poolmon-display.txt", 2, 8}, Case{"transcripts/poolmon-examples.txt", 5, 13},
          Case{"transcripts/using-poolmon-to-find-a-kernel-mode-memory-leak.txt", 2, 4},
          Case{"transcripts/example-9---detecting-a-pool-memory-leak.txt", 2, 4}}) {
        const auto path = shared(one.file);
        if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
        std::stringstream text;
        text << std::ifstream(path, std::ios::binary).rdbuf();
        const Imported read = import_text(text.str());
        EXPECT_EQ(read.snapshots.size(), one.snapshots) << one.file;
        ASSERT_FALSE(read.snapshots.empty());
        EXPECT_EQ(read.snapshots[0].rows.size(), one.rows) << one.file;
        EXPECT_FALSE(read.noted("could not be read")) << one.file << ::testing::PrintToString(read.notes);
        EXPECT_FALSE(read.snapshots[0].whole);
    }
}

TEST(ImportPoolmon, RowsAloneAreDividedWhereATagComesAgain) {
    const Imported read = import_text("night1.log: Zta  Nonp      20711       230    20481 19661760        960\n"
                                      "night1.log: Zta  Paged        11         1       10      160         16\n"
                                      "night2.log: Zta  Nonp      20811       230    20581 19757760        960\n"
                                      "night2.log: Zta  Paged        11         1       10      160         16\n");
    ASSERT_EQ(read.snapshots.size(), 2u);
    EXPECT_EQ(row(read.snapshots[0], "Zta"), counts("Zta", PoolKind::nonpaged, 20711, 230, 19661760));
    EXPECT_EQ(row(read.snapshots[1], "Zta"), counts("Zta", PoolKind::nonpaged, 20811, 230, 19757760));
    EXPECT_EQ(read.snapshots[1].rows.size(), 2u);
    EXPECT_TRUE(read.noted("1 line with a tag that its screen has already"));
    // Characters that a code page has lost make tags the same.
    EXPECT_EQ(import_text(" Z?a  Nonp 10 0 10 160 16\n Z?a  Nonp 10 0 10 160 16\n").snapshots.size(), 1u);
}

TEST(ImportPoolmon, GroupedDigits) {
    for (std::string_view line : {" Zta  Nonp     20,711 (  52)       230 (   0)    20,481 19,661,760 ( 49,920)    960",
                                  " Zta  Nonp     20.711 (  52)       230 (   0)    20.481 19.661.760 ( 49.920)    960",
                                  " Zta  Nonp     20 711 (  52)       230 (   0)    20 481 19 661 760 ( 49 920)    960",
                                  " Zta  Nonp     20\xa0"
                                  "711 (  52)       230 (   0)    20\xa0"
                                  "481 19\xa0"
                                  "661\xa0"
                                  "760 ( 49\xa0"
                                  "920)    960"}) {
        const auto row = poolmon_row(line);
        ASSERT_TRUE(row) << line;
        EXPECT_EQ(row->counts, counts("Zta", PoolKind::nonpaged, 20711, 230, 19661760)) << line;
        EXPECT_EQ(row->bytes_change, 49920) << line;
        EXPECT_EQ(row->allocs_change, 52) << line;
        EXPECT_FALSE(row->contradicts) << line;
    }
    const auto row = poolmon_row("Zta Nonp 20 711 230 20 481 19 661 760 960");
    ASSERT_TRUE(row);
    EXPECT_EQ(row->counts, counts("Zta", PoolKind::nonpaged, 20711, 230, 19661760));
}

TEST(ImportPoolmon, WhereNothingCanBeReadTheFirstLineIsNamed) {
    const auto read = try_import(std::string(header) + " Zta  Nonp  2,07 x\n Abc  Nonp  1,2 x\n");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::malformed);
    EXPECT_THAT(read.error().message, ::testing::HasSubstr("2 lines (the first: line 2)"));
}

TEST(ImportPoolmon, ScreensOutOfOrderAreSorted) {
    const Imported read =
        import_text(screen("25/11/2026 09:43", 20) + screen("05/11/2026 09:43", 10) + screen("26/11/2026 09:43", 30));
    ASSERT_EQ(read.snapshots.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(row(read.snapshots[i], "Abc").allocs, 10 * (i + 1));
    EXPECT_EQ(read.snapshots[0].time, at(1793871780000));
    EXPECT_TRUE(read.noted("sorted"));
}

} // namespace
} // namespace poolkd::hunt::import_poolmon_test
