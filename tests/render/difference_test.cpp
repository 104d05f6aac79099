#include "render/difference.h"

#include <gtest/gtest.h>

namespace poolkd::render {
namespace {

using hunt::PoolKind;
using hunt::TagDifference;

TagDifference row(const char* tag, std::int64_t before, std::int64_t after) {
    TagDifference made;
    made.key = {*PoolTag::from_text(tag), PoolKind::paged};
    made.before = hunt::InUse{before / 100, before};
    made.after = hunt::InUse{after / 100, after};
    return made;
}

hunt::Difference sample() {
    hunt::Difference d;
    d.before.time = hunt::Time{std::chrono::milliseconds(1780300800000)};
    d.after.time = *d.before.time + std::chrono::hours(2);
    d.before.evidence = "a.csv";
    d.after.evidence = "b.csv";
    d.before.paged_bytes = 1 << 20;
    d.after.paged_bytes = 3 << 20;
    d.hours = 2;
    d.rows = {row("Abc", 10000, 90000), row("Same", 500, 500), row("Less", 7000, 3000), row("Odd", 1, 1)};
    d.rows[0].allocs = 1000;
    d.rows[0].frees = 200;
    d.rows[0].freed_share = 0.2;
    d.rows[0].bytes_per_hour = 40000;
    d.rows[2].presence = TagDifference::Presence::gone;
    d.rows[3].presence = TagDifference::Presence::only_after;
    d.rows[3].before.reset();
    return d;
}

TEST(DifferenceText, SideBySide) {
    EXPECT_EQ(difference_text(sample(), {}), "Before:  a.csv, 2026-06-01 08:00:00 UTC\n"
                                             "After:   b.csv, 2026-06-01 10:00:00 UTC\n"
                                             "Between: 2h\n"
                                             "Pool:    paged 3.0 MB (+2.0 MB), nonpaged 0 (0)\n"
                                             "\n"
                                             "Tag   Pool   Before    After    Change  Per hour  Blocks  Allocs  "
                                             "Frees  Freed\n"
                                             "Abc   Paged  9.8 KB  87.9 KB  +78.1 KB  +39.1 KB    +800   1,000  "
                                             "  200   20 %\n"
                                             "Less  Paged  6.8 KB   2.9 KB   -3.9 KB         -     -40       -  "
                                             "    -      -  gone\n"
                                             "Other tags: 1 unchanged (--all); 1 in one snapshot only, where the "
                                             "other does not list all tags.\n");
}

TEST(DifferenceText, TopKeepsWhatChangedMost) {
    const std::string text = difference_text(sample(), {.rows = 1});
    EXPECT_NE(text.find("Abc "), std::string::npos);
    EXPECT_EQ(text.find("Less"), std::string::npos);
    EXPECT_NE(text.find("1 more that changed less (--top)"), std::string::npos);
    EXPECT_NE(difference_text(sample(), {.rows = 0, .all = true}).find("Same"), std::string::npos);
}

TEST(DifferenceText, SaysWhatStandsAgainstTheComparison) {
    hunt::Difference d = sample();
    d.turned = d.restarted = d.other_machine = true;
    d.activity = false;
    d.before.whole = false;
    d.wraps = 2;
    const std::string text = difference_text(d, {});
    EXPECT_NE(text.find("compared the other way round"), std::string::npos);
    EXPECT_NE(text.find("was restarted in between"), std::string::npos);
    EXPECT_NE(text.find("two machines"), std::string::npos);
    EXPECT_NE(text.find("2 32-bit counters wrapped"), std::string::npos);
    EXPECT_EQ(text.find("Pool: "), std::string::npos) << "sums of a part say nothing";
    d.rows.clear();
    EXPECT_NE(difference_text(d, {}).find("No tag changed."), std::string::npos);
}

TEST(DifferenceJson, Rows) {
    const nlohmann::json json = difference_json(sample());
    EXPECT_EQ(json["command"], "diff");
    EXPECT_EQ(json["hours"], 2.0);
    EXPECT_EQ(json["before"]["time"], "2026-06-01T08:00:00Z");
    EXPECT_EQ(json["rows"][0], (nlohmann::json{{"tag", "Abc "},
                                               {"value", 0x20636241},
                                               {"type", "Paged"},
                                               {"presence", "both"},
                                               {"before", {{"blocks", 100}, {"bytes", 10000}}},
                                               {"after", {{"blocks", 900}, {"bytes", 90000}}},
                                               {"allocs", 1000},
                                               {"frees", 200},
                                               {"freed_share", 0.2},
                                               {"bytes_per_hour", 40000.0},
                                               {"blocks", 800},
                                               {"bytes", 80000}}));
    EXPECT_EQ(json["rows"][3]["presence"], "only_after");
    EXPECT_TRUE(json["rows"][3]["before"].is_null());
    EXPECT_TRUE(json["rows"][3]["bytes"].is_null());
    EXPECT_EQ(difference_json(sample(), 1)["rows"].size(), 1u);
    EXPECT_EQ(difference_json(sample(), 1)["rows_total"], 4);
}

TEST(DifferenceCsv, Rows) {
    EXPECT_EQ(difference_csv(sample(), 1),
              "tag,type,presence,bytes_before,bytes_after,bytes,bytes_per_hour,blocks_before,blocks_after,blocks,"
              "allocs,frees,freed_share\n"
              "\"Abc \",Paged,both,10000,90000,80000,40000,100,900,800,1000,200,0.2\n");
}

} // namespace
} // namespace poolkd::render
