#include "render/trend.h"

#include <gtest/gtest.h>

#include <limits>

namespace poolkd::render {
namespace {

hunt::TagTrend tag(const char* name, double first, double last) {
    hunt::TagTrend made;
    made.key = {*PoolTag::from_text(name), hunt::PoolKind::paged};
    made.first = made.least = first;
    made.last = made.most = last;
    made.gained = last - first;
    made.bytes_per_hour = made.gained / 4;
    made.samples = 5;
    made.points = {first, first, (first + last) / 2, last, last};
    return made;
}

hunt::Trend sample(std::size_t tags) {
    hunt::Trend trend;
    trend.snapshots = 5;
    trend.first = hunt::Time{std::chrono::milliseconds(1780300800000)};
    trend.last = *trend.first + std::chrono::hours(4);
    trend.points = 5;
    trend.evidence = {"a.csv"};
    const char* names[] = {"Aaa", "Bbb", "Ccc", "Ddd"};
    for (std::size_t i = 0; i < tags; ++i)
        trend.tags.push_back(tag(names[i], 1000, 1000 + 1000 * static_cast<double>(i)));
    trend.tags_total = 9;
    return trend;
}

TEST(TrendText, ManyTagsShareATable) {
    EXPECT_EQ(trend_text(sample(4), {.style = ChartStyle::ascii}, {}),
              "Evidence:  a.csv\n"
              "Time:      2026-06-01 08:00:00 to 2026-06-01 12:00:00 UTC (4h), 5 snapshots\n"
              "\n"
              "Tag   Pool    First    Last   Least    Most   Gained  Per hour  Course\n"
              "Ddd   Paged  1000 B  3.9 KB  1000 B  3.9 KB  +2.9 KB    +750 B  __=##\n"
              "Ccc   Paged  1000 B  2.9 KB  1000 B  2.9 KB  +2.0 KB    +500 B  __=##\n"
              "Bbb   Paged  1000 B  2.0 KB  1000 B  2.0 KB  +1000 B    +250 B  __=##\n"
              "Aaa   Paged  1000 B  1000 B  1000 B  1000 B        0         0  _____\n");
}

TEST(TrendText, FewTagsGetCharts) {
    hunt::Trend trend = sample(1);
    trend.restarts = 1;
    trend.restarted_at = {0.5};
    const std::string text = trend_text(trend, {.style = ChartStyle::ascii}, {"Line 3 is no row."});
    EXPECT_NE(text.find("\n'Aaa ' (paged)\n"), std::string::npos) << text;
    EXPECT_NE(text.find("-^-"), std::string::npos) << text;
    EXPECT_NE(text.find("Restarted at 50 % of the course (: in charts)"), std::string::npos) << text;
    EXPECT_NE(text.find("Notes:\n  - Line 3 is no row.\n"), std::string::npos) << text;
}

TEST(TrendText, SortAndTop) {
    const hunt::Trend trend = sample(4);
    EXPECT_EQ(select_trends(trend, {.sort = TrendSort::name})[0]->key.tag.text(), "Aaa ");
    EXPECT_EQ(select_trends(trend, {.sort = TrendSort::bytes, .rows = 2}).size(), 2u);
    EXPECT_NE(trend_text(trend, {.rows = 2}, {}).find("2 more tags (--top).\n"), std::string::npos);
    EXPECT_NE(trend_text(sample(0), {}, {}).find("None of the 9 tags matches"), std::string::npos);
}

TEST(TrendJson, TimesAndPoints) {
    hunt::Trend trend = sample(1);
    trend.tags[0].points[0] = std::numeric_limits<double>::quiet_NaN();
    trend.restarts = 1;
    trend.restarted_at = {0.5};
    const nlohmann::json json = trend_json(trend, {}, {});
    EXPECT_EQ(json["command"], "trend");
    EXPECT_EQ(json["times"].size(), 5u);
    EXPECT_EQ(json["times"][1], "2026-06-01T09:00:00Z");
    EXPECT_EQ(json["restarted"], nlohmann::json{"2026-06-01T10:00:00Z"});
    EXPECT_EQ(json["tags"][0]["points"], (nlohmann::json{nullptr, 1000, 1000, 1000, 1000}));
    EXPECT_EQ(json["tags"][0]["min"], 1000);
    EXPECT_EQ(json["tags_total"], 9);
}

} // namespace
} // namespace poolkd::render
