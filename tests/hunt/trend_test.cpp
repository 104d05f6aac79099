#include "hunt/evidence_name.h"
#include "hunt/trend.h"

#include <gtest/gtest.h>

#include <cmath>

namespace poolkd::hunt::trend_test {
namespace {

using namespace std::chrono_literals;

const Time begin{std::chrono::milliseconds(1780300800000)};

/// A source that makes its snapshots as they are asked for: what it holds in memory is one.
class Ramp final : public SnapshotSource {
  public:
    Ramp(std::size_t count, std::function<Snapshot(std::size_t)> make) : count_(count), make_(std::move(make)) {}
    Result<bool> next(Snapshot& out, Work&) override {
        if (at_ == count_) return false;
        out = make_(at_++);
        return true;
    }
    const std::vector<std::string>& notes() const override { return notes_; }

  private:
    std::size_t count_, at_ = 0;
    std::function<Snapshot(std::size_t)> make_;
    std::vector<std::string> notes_;
};

TagCounts row(const char* tag, PoolKind kind, std::uint64_t blocks, std::int64_t bytes) {
    return {{*PoolTag::from_text(tag), kind}, blocks + 1000, 1000, bytes};
}

Trend trend_of(SnapshotSource& source, const TrendOptions& options = {}) {
    Work work;
    auto trend = read_trend(source, options, work);
    EXPECT_TRUE(trend.has_value());
    return trend ? *trend : Trend{};
}

TEST(Trend, FiguresAreThoseOfEverySnapshot) {
    Ramp source(5, [](std::size_t i) {
        const std::int64_t bytes[] = {1000, 5000, 200, 3000, 4000};
        Snapshot s;
        s.time = begin + 30min * i;
        s.uptime = 5h + 30min * i;
        s.evidence = "a.csv, line " + std::to_string(i);
        s.rows = {row("Abc", PoolKind::paged, static_cast<std::uint64_t>(bytes[i] / 100), bytes[i])};
        return s;
    });
    const Trend trend = trend_of(source);
    ASSERT_EQ(trend.tags.size(), 1u);
    const TagTrend& tag = trend.tags[0];
    EXPECT_EQ(tag.first, 1000);
    EXPECT_EQ(tag.last, 4000);
    EXPECT_EQ(tag.least, 200);
    EXPECT_EQ(tag.most, 5000);
    EXPECT_EQ(tag.gained, 3000);
    EXPECT_EQ(tag.gained_blocks, 30);
    EXPECT_DOUBLE_EQ(*tag.bytes_per_hour, 1500);
    EXPECT_EQ(tag.samples, 5u);
    ASSERT_EQ(tag.points.size(), 5u);
    EXPECT_EQ(tag.points.front(), 1000);
    EXPECT_NEAR(tag.points[1], 5000, 100);
    EXPECT_EQ(tag.points.back(), 4000);
    EXPECT_EQ(trend.evidence, std::vector<std::string>{"a.csv"});
}

TEST(Trend, ALongSeriesIsThinnedEvenlyInTime) {
    constexpr std::size_t count = 20'000;
    Ramp source(count, [](std::size_t i) {
        Snapshot s;
        // The first half comes a hundred times as densely.
        s.time = begin + (i < count / 2 ? 1s * i : 1s * (count / 2) + 100s * (i - count / 2));
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*s.time - begin).count();
        s.rows = {row("Abc", PoolKind::paged, 1, seconds)};
        return s;
    });
    const Trend trend = trend_of(source);
    const std::vector<double>& points = trend.tags[0].points;
    ASSERT_GT(points.size(), Trend::most_points / 2 - 2);
    ASSERT_LE(points.size(), Trend::most_points);
    const double step = points.back() / static_cast<double>(points.size() - 1);
    for (std::size_t i = 0; i < points.size(); ++i)
        EXPECT_NEAR(points[i], step * static_cast<double>(i), 2.1 * step) << i;
    EXPECT_EQ(trend.tags[0].last, points.back());
}

TEST(Trend, ARestartIsMarkedAndBeginsAnew) {
    Ramp source(11, [](std::size_t i) {
        Snapshot s;
        s.time = begin + 1h * i;
        s.uptime = i < 5 ? 100h + 1h * i : 1h * (i - 4);
        s.rows = {row("Abc", PoolKind::paged, 10,
                      i < 5 ? 9000 + static_cast<std::int64_t>(i) : 100 * static_cast<std::int64_t>(i))};
        return s;
    });
    const Trend trend = trend_of(source);
    EXPECT_EQ(trend.restarts, 1u);
    ASSERT_EQ(trend.restarted_at.size(), 1u);
    EXPECT_DOUBLE_EQ(trend.restarted_at[0], 0.5);
    EXPECT_EQ(trend.tags[0].first, 9000);
    EXPECT_EQ(trend.tags[0].gained, 500);
    EXPECT_DOUBLE_EQ(*trend.tags[0].bytes_per_hour, 100);
}

TEST(Trend, ManyRestartsAreCountedButNotKept) {
    Ramp source(10'000, [](std::size_t i) {
        Snapshot s;
        s.time = begin + 1min * i;
        s.uptime = i % 2 == 0 ? 2h : 1h;
        s.rows = {row("Abc", PoolKind::paged, 1, 500)};
        return s;
    });
    const Trend trend = trend_of(source);
    EXPECT_EQ(trend.restarts, 5000u);
    EXPECT_LE(trend.restarted_at.size(), Trend::most_points);
    EXPECT_GT(trend.restarted_at.size(), Trend::most_points / 4);
}

TEST(Trend, PatternsAndPoolsChoose) {
    auto make = [](std::size_t) {
        Snapshot s;
        s.time = begin;
        s.rows = {row("NtFs", PoolKind::paged, 1, 1), row("NtFA", PoolKind::nonpaged, 1, 1),
                  row("Abc", PoolKind::paged, 1, 1)};
        sort_rows(s.rows);
        return s;
    };
    Ramp all(1, make), some(1, make), none(1, make);
    EXPECT_EQ(trend_of(all).tags.size(), 3u);
    const Trend chosen = trend_of(some, {.patterns = {"Nt*"}, .kind = PoolKind::paged});
    ASSERT_EQ(chosen.tags.size(), 1u);
    EXPECT_EQ(chosen.tags[0].key.tag.text(), "NtFs");
    EXPECT_EQ(chosen.tags_total, 3u);
    EXPECT_TRUE(trend_of(none, {.patterns = {"abc"}, .kind = {}}).tags.empty()) << "case matters";
}

TEST(Trend, AbsentFromAWholeListOfWhatIsInUseIsNothing) {
    auto make = [](bool activity) {
        return [activity](std::size_t i) {
            Snapshot s;
            s.time = begin + 1h * i;
            s.activity = activity;
            if (i != 1) s.rows = {row("Abc", PoolKind::paged, 1, 500)};
            return s;
        };
    };
    Ramp used(3, make(false)), counters(3, make(true));
    EXPECT_EQ(trend_of(used).tags[0].least, 0);
    const Trend trend = trend_of(counters);
    EXPECT_EQ(trend.tags[0].least, 500);
    EXPECT_EQ(trend.tags[0].samples, 2u);
}

TEST(Trend, WithoutTimesSnapshotsAreEvenlySpaced) {
    Ramp source(1000, [](std::size_t i) {
        Snapshot s;
        s.rows = {row("Abc", PoolKind::paged, 1, static_cast<std::int64_t>(i))};
        return s;
    });
    const Trend trend = trend_of(source);
    EXPECT_EQ(trend.first, std::nullopt);
    EXPECT_EQ(trend.tags[0].bytes_per_hour, std::nullopt);
    EXPECT_EQ(trend.tags[0].points.back(), 999);
}

TEST(Trend, NoSnapshotIsAnError) {
    Ramp source(0, [](std::size_t) { return Snapshot{}; });
    Work work;
    auto trend = read_trend(source, {}, work);
    ASSERT_FALSE(trend.has_value());
    EXPECT_EQ(trend.error().kind, ErrorKind::not_found);
}

TEST(EvidenceName, IsTheFile) {
    EXPECT_EQ(file_of("poolmon.log, line 40"), "poolmon.log");
    EXPECT_EQ(file_of("a, b.log"), "a, b.log");
    EXPECT_EQ(file_of("a, b 2.log"), "a, b 2.log");
    EXPECT_EQ(file_of("live kernel over KD"), "live kernel over KD");
}

TEST(Trend, VeryManyTagsAreBounded) {
    Ramp source(1, [](std::size_t) {
        Snapshot s;
        for (std::uint32_t i = 0; i < 60'000; ++i)
            s.rows.push_back({{PoolTag(0x41000000 + i), PoolKind::paged}, 1, 0, 1});
        sort_rows(s.rows);
        return s;
    });
    const Trend trend = trend_of(source);
    EXPECT_EQ(trend.tags.size(), EvidenceHead::most_tags);
    EXPECT_FALSE(trend.coverage.complete());
}

} // namespace
} // namespace poolkd::hunt::trend_test
