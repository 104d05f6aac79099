#include "render/poolmon.h"

#include <gmock/gmock.h>

namespace poolkd::render {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

hunt::TagCounts row(const char* tag, hunt::PoolKind kind, std::uint64_t allocs, std::uint64_t frees,
                    std::int64_t bytes) {
    return {{*PoolTag::from_text(tag), kind}, allocs, frees, bytes};
}

class Poolmon : public ::testing::Test {
  protected:
    Poolmon() {
        using enum hunt::PoolKind;
        before.rows = {row("File", nonpaged, 884'089, 881'982, 792'232), row("Gone", nonpaged, 7, 7, 0),
                       row("Zta ", nonpaged, 20'659, 230, 19'611'840)};
        now.rows = {row("File", nonpaged, 884'120, 882'011, 792'984), row("File", paged, 3, 0, 96),
                    row("Gone", nonpaged, 7, 7, 0), row("Zta ", nonpaged, 20'711, 230, 19'661'760)};
        before.uptime = std::chrono::hours(27);
        now.uptime = std::chrono::hours(27) + std::chrono::seconds(5);
        now.memory.physical = 4'193'784ull * 1024;
        frame.now = &now;
        frame.before = &before;
        frame.machine = "lab:page";
    }
    std::vector<std::string> tags() {
        std::vector<std::string> texts;
        for (const PoolmonRow& r : poolmon_rows(frame, view))
            texts.push_back(r.key.tag.text() + (r.key.kind == hunt::PoolKind::paged ? "/p" : ""));
        return texts;
    }
    std::vector<std::string> lines(ScreenSize size) {
        std::vector<std::string> texts;
        for (const ScreenLine& line : poolmon_screen(frame, view, size)) {
            EXPECT_LE(line.text.size(), size.columns);
            texts.push_back(line.text);
        }
        EXPECT_LE(texts.size(), size.rows);
        return texts;
    }
    void judge() {
        hunt::TagVerdict leak, flat;
        leak.key = now.rows[3].key;
        leak.verdict = hunt::Verdict::leaking;
        leak.confidence = 0.97;
        flat.key = now.rows[0].key;
        flat.verdict = hunt::Verdict::flat;
        flat.confidence = 0.5;
        report.rows = {leak, flat};
        frame.report = &report;
    }

    hunt::Snapshot before, now;
    hunt::Report report;
    PoolmonFrame frame;
    PoolmonView view;
};

TEST_F(Poolmon, TheScreenIsThatOfTheReference) {
    auto screen = lines({100, 24});
    EXPECT_EQ(screen[0], " Memory: 4193784K Avail:        -  PageFlts:     -   InRam Krnl:    - P:      -");
    EXPECT_THAT(screen[1],
                StartsWith(" Commit:        - Limit:        - Peak:        -            Pool N:  19975K P:"));
    EXPECT_THAT(screen[2], StartsWith(" System pool information"));
    EXPECT_THAT(screen[2], HasSubstr("lab:page  up 1d 3:00:05"));
    EXPECT_EQ(screen[3], " Tag  Type     Allocs            Frees            Diff    Bytes       Per Alloc");
    EXPECT_EQ(screen[4], " File Nonp     884120 (  31)    882011 (  29)     2109   792984 (   752)    376");
    EXPECT_EQ(screen[7], " Zta  Nonp      20711 (  52)       230 (   0)    20481 19661760 ( 49920)    960");
}

TEST_F(Poolmon, ChangedLinesAreMarkedUnlessSwitchedOff) {
    using enum ScreenLine::Style;
    auto screen = poolmon_screen(frame, view, {});
    EXPECT_EQ(screen[4].style, changed);
    EXPECT_EQ(screen[6].style, plain); // Gone
    view.highlight = false;
    EXPECT_EQ(poolmon_screen(frame, view, {})[4].style, plain);
}

TEST_F(Poolmon, SortsByValueAndByChange) {
    EXPECT_THAT(tags(), ElementsAre("File", "File/p", "Gone", "Zta "));
    view.sort = PoolmonSort::bytes;
    EXPECT_THAT(tags(), ElementsAre("Zta ", "File", "File/p", "Gone"));
    view.sort = PoolmonSort::allocs;
    EXPECT_THAT(tags(), ElementsAre("File", "Zta ", "Gone", "File/p"));
    view.by_change = true;
    EXPECT_THAT(tags(), ElementsAre("Zta ", "File", "File/p", "Gone"));
    view = {};
    view.sort = PoolmonSort::per_alloc;
    EXPECT_THAT(tags(), ElementsAre("Zta ", "File", "File/p", "Gone"));
}

TEST_F(Poolmon, KindsAndPatternsChooseRows) {
    view.kinds = PoolmonKinds::paged;
    EXPECT_THAT(tags(), ElementsAre("File/p"));
    view.kinds = PoolmonKinds::nonpaged;
    view.exclude = {"F*"};
    EXPECT_THAT(tags(), ElementsAre("Gone", "Zta "));
    view.include = {"Zta", "File"};
    EXPECT_THAT(tags(), ElementsAre("Zta "));
}

TEST_F(Poolmon, TheFirstRefreshHasNoChanges) {
    frame.before = nullptr;
    EXPECT_EQ(lines({100, 24})[4], " File Nonp     884120 (   0)    882011 (   0)     2109   792984 (     0)    376");
}

TEST_F(Poolmon, ARestartIsNoChange) {
    now.uptime = std::chrono::seconds(5);
    EXPECT_FALSE(poolmon_rows(frame, view)[0].changed);
}

TEST_F(Poolmon, VerdictsAreAColumnAndAnOrder) {
    judge();
    view.sort = PoolmonSort::verdict;
    EXPECT_THAT(tags(), ElementsAre("Zta ", "File", "File/p", "Gone"));
    auto screen = poolmon_screen(frame, view, {100, 24});
    EXPECT_THAT(screen[3].text, HasSubstr("Per Alloc  Verdict"));
    EXPECT_THAT(screen[4].text, HasSubstr("960  leaking 97%"));
    EXPECT_EQ(screen[4].style, ScreenLine::Style::leaking_changed);
}

TEST_F(Poolmon, ANarrowScreenGivesUpBlanksThenChanges) {
    judge();
    auto screen = lines({80, 24});
    EXPECT_THAT(screen[4], HasSubstr("376  flat 50%"));
    EXPECT_THAT(screen[4], HasSubstr("884120 (31)"));
    screen = lines({60, 24});
    EXPECT_THAT(screen[4], Not(HasSubstr("(29)")));
    EXPECT_EQ(lines({20, 24}).size(), 8u);
    EXPECT_EQ(lines({20, 2}).size(), 2u);
    EXPECT_EQ(lines({0, 0}).size(), 0u);
}

TEST_F(Poolmon, RowsScrollAndTotalsStay) {
    view.totals = true;
    view.first_row = 100; // more than there are
    auto screen = lines({100, 8});
    EXPECT_THAT(screen[4], StartsWith(" Gone"));
    EXPECT_THAT(screen[5], StartsWith(" Zta"));
    EXPECT_THAT(screen[6],
                StartsWith(" Sum  Nonp     904838 (  83)    882248 (  29)    22590 20454744 ( 50672)    905"));
    EXPECT_THAT(screen[7], StartsWith(" Sum  Paged"));
}

TEST_F(Poolmon, WideNumbersNeverTouch) {
    now.rows = {row("Wide", hunt::PoolKind::nonpaged, 123'456'789'012, 1, 123'456'789'012'345)};
    frame.before = nullptr;
    EXPECT_EQ(lines({120, 24})[4],
              " Wide Nonp  123456789012 (   0)         1 (   0) 123456789011 123456789012345 (     0)   1000");
}

TEST_F(Poolmon, DriversComeFromTheTagLists) {
    view.drivers = true;
    hunt::TagLists lists;
    lists.add_text("File - <unknown> - File objects\nZta - zta.sys\n");
    frame.tags = &lists;
    auto screen = lines({120, 24});
    EXPECT_THAT(screen[3], HasSubstr(" Mapped_Driver"));
    EXPECT_THAT(screen[4], HasSubstr("376 [unknown - File objects]"));
    EXPECT_THAT(screen[6], HasSubstr(" Unknown Driver"));
}

TEST_F(Poolmon, NothingOnTheScreenSteersTheTerminal) {
    view.drivers = true;
    hunt::TagLists lists;
    lists.add_text("File - a\x1b[2J.sys - \x1b]0;title\x07objects\n");
    frame.tags = &lists;
    frame.machine = "com:\x1b[31m";
    frame.notice = "read \x1b[Hby\rnobody";
    auto screen = lines({120, 24});
    EXPECT_THAT(screen[2], HasSubstr("com:.[31m"));
    EXPECT_THAT(screen[4], HasSubstr("[a.[2J.sys - .]0;title.objects]"));
    EXPECT_EQ(screen.back(), " read .[Hby.nobody");
    frame.notice = "\xc3\xa4\xc3\xa4";
    EXPECT_EQ(lines({4, 24}).back(), " \xc3\xa4.") << "a character that is cut in two";
}

TEST_F(Poolmon, ASnapshotFileIsPoolMons) {
    view.sort = PoolmonSort::bytes;
    std::string text = poolmon_snapshot_text(frame, view);
    EXPECT_THAT(text, HasSubstr("\n\n Tag  Type     Allocs     Frees      Diff     Bytes  Per Alloc\n\n"
                                " Zta  Nonp      20711       230     20481  19661760        960\n"));
}

TEST_F(Poolmon, JsonHasWhatTheScreenHas) {
    judge();
    now.time = hunt::Time(std::chrono::sys_days(std::chrono::year(2021) / 1 / 1));
    auto json = poolmon_json(frame, view);
    EXPECT_EQ(json["command"], "poolmon");
    EXPECT_EQ(json["time"], "2021-01-01T00:00:00Z");
    ASSERT_EQ(json["tags"].size(), 4u);
    EXPECT_EQ(json["tags"][3]["verdict"], "leaking");
    EXPECT_EQ(json["tags"][3]["bytes_change"], 49'920);
    EXPECT_EQ(json["memory"]["physical"], 4'193'784ull * 1024);
    EXPECT_FALSE(json["memory"].contains("commit"));
    EXPECT_TRUE(json["whole"]);
    view.include = {"Zta"};
    EXPECT_FALSE(poolmon_json(frame, view)["whole"]);
}

TEST_F(Poolmon, HelpFitsTheScreen) {
    view.help = true;
    EXPECT_EQ(lines({40, 6}).size(), 6u);
}

} // namespace
} // namespace poolkd::render
