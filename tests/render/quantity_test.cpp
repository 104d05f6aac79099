#include "render/csv.h"
#include "render/quantity.h"
#include "render/table.h"

#include <gtest/gtest.h>

namespace poolkd::render {
namespace {

TEST(Quantity, SizesHaveThreeDigits) {
    EXPECT_EQ(size_text(0), "0");
    EXPECT_EQ(size_text(1023), "1023 B");
    EXPECT_EQ(size_text(1024), "1.0 KB");
    EXPECT_EQ(size_text(1023.9 * 1024), "1.0 MB");
    EXPECT_EQ(size_text(36.2 * (1 << 30)), "36.2 GB");
    EXPECT_EQ(size_text(-300.0 * (1 << 20)), "-300 MB");
    EXPECT_EQ(size_text(1e30).substr(size_text(1e30).size() - 2), "EB");
    EXPECT_EQ(change_text(512), "+512 B");
    EXPECT_EQ(change_text(0), "0");
    EXPECT_EQ(change_text(-0.2), "0");
}

TEST(Quantity, CountsAndParts) {
    EXPECT_EQ(count_text(999), "999");
    EXPECT_EQ(count_text(7486978), "7,486,978");
    EXPECT_EQ(count_text(-1000), "-1,000");
    EXPECT_EQ(count_change_text(23), "+23");
    EXPECT_EQ(percent_text(0), "0 %");
    EXPECT_EQ(percent_text(0.0001), "<0.1 %");
    EXPECT_EQ(percent_text(0.004), "0.4 %");
    EXPECT_EQ(percent_text(0.93), "93 %");
    EXPECT_EQ(percent_text(0.9999), ">99.9 %") << "what is not all is not shown as all";
    EXPECT_EQ(percent_text(1), "100 %");
}

TEST(Quantity, TimesAndLengths) {
    const hunt::Time time{std::chrono::milliseconds(1780300805250)};
    EXPECT_EQ(time_text(time), "2026-06-01 08:00:05");
    EXPECT_EQ(iso_time(time), "2026-06-01T08:00:05.250Z");
    EXPECT_EQ(hours_text(135), "5d 15h");
    EXPECT_EQ(hours_text(1e300), "more than ten years");
    EXPECT_EQ(tag_word(*PoolTag::from_text("Abc")), "'Abc '");
    EXPECT_EQ(tag_word(*PoolTag::from_text("WCsc")), "WCsc");
}

TEST(Table, WrapsBetweenWordsButNotBeforeAUnit) {
    EXPECT_EQ(wrapped("one two three", 9, "- ", "  "), "- one two\n  three\n");
    EXPECT_EQ(wrapped("gained 31.7 MB.", 13), "gained\n31.7 MB.\n");
    EXPECT_EQ(wrapped("", 9, "- "), "- \n");
}

TEST(Table, TheLastColumnGivesWay) {
    TextTable table({{"Tag", TextTable::Align::left}, {"In use"}, {"Driver", TextTable::Align::left}}, 20);
    table.add({"WCsc", "1.2 GB", "wcifs.sys"});
    table.add({"Abc ", "3 B", ""});
    EXPECT_EQ(table.text(), "Tag   In use  Driver\n"
                            "WCsc  1.2 GB  wcifs~\n"
                            "Abc      3 B\n");
}

TEST(Table, CountsCharactersNotBytes) {
    EXPECT_EQ(display_width("▁▂▃"), 3u);
    EXPECT_EQ(shortened("▁▂▃", 2), "▁~");
}

TEST(Csv, QuotesWhatNeedsIt) {
    EXPECT_EQ(csv_line({"Abc ", "a,b", "say \"so\"", "", "x"}), "\"Abc \",\"a,b\",\"say \"\"so\"\"\",,x\n");
    EXPECT_EQ(csv_tag(PoolTag(0x80414243)), "0x80414243");
    EXPECT_EQ(csv_tag(PoolTag(0x01020304)), "0x01020304");
}

} // namespace
} // namespace poolkd::render
