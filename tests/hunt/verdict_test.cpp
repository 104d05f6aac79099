#include "hunt/layers.h"
#include "hunt/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace poolkd::hunt {
namespace {

using ::testing::HasSubstr;

/// Blocks in use and allocations of one tag at a snapshot.
struct Level {
    double blocks, allocs;
};
struct Tag {
    std::string_view text;
    std::function<Level(int)> level; ///< by the number of the snapshot
    double size = 64;
};

/// Half-hourly snapshots, as Microsoft's pages advise.
std::vector<Snapshot> series(int count, const std::vector<Tag>& tags) {
    std::vector<Snapshot> snapshots;
    for (int i = 0; i < count; ++i) {
        Snapshot& made = snapshots.emplace_back();
        made.time = Time(std::chrono::minutes(29'000'000 + 30 * i));
        for (const Tag& tag : tags) {
            const auto [blocks, allocs] = tag.level(i);
            made.rows.push_back({{*PoolTag::from_text(tag.text), PoolKind::nonpaged},
                                 static_cast<std::uint64_t>(allocs),
                                 static_cast<std::uint64_t>(allocs - blocks),
                                 static_cast<std::int64_t>(blocks * tag.size)});
        }
        sort_rows(made.rows);
    }
    return snapshots;
}

Report report_of(std::vector<Snapshot> snapshots, const VerdictOptions& options = {}) {
    Work work;
    auto source = from_snapshots(std::move(snapshots));
    auto report = judge(*source, options, work);
    EXPECT_TRUE(report.has_value());
    return report ? std::move(*report) : Report{};
}

const TagVerdict& row_of(const Report& report, std::string_view tag) {
    auto found =
        std::ranges::find(report.rows, *PoolTag::from_text(tag), [](const TagVerdict& r) { return r.key.tag; });
    EXPECT_NE(found, report.rows.end()) << tag;
    return found == report.rows.end() ? report.rows.front() : *found;
}

Level still(int) {
    return {500, 900};
}
Level leak(int i) {
    return {1000.0 + 40 * i, 1000.0 + 40 * i};
}

TEST(Verdict, LeakFlatSawtoothFalling) {
    Report report = report_of(series(100, {{"Leak", leak},
                                           {"Flat", still},
                                           {"Saws", [](int i) { return Level{100.0 + 50 * (i % 9), 100.0 + 50 * i}; }},
                                           {"Fall", [](int i) { return Level{9000.0 - 40 * i, 9000.0 + 10 * i}; }}}));
    EXPECT_EQ(row_of(report, "Leak").verdict, Verdict::leaking);
    EXPECT_EQ(row_of(report, "Flat").verdict, Verdict::flat);
    EXPECT_EQ(row_of(report, "Saws").verdict, Verdict::sawtooth);
    EXPECT_EQ(row_of(report, "Fall").verdict, Verdict::falling);
    EXPECT_EQ(report.rows.front().key.tag.text(), "Leak"); // the worst first
    const Figures& figures = row_of(report, "Leak").figures;
    EXPECT_EQ(figures.blocks, 1000 + 40 * 99);
    EXPECT_NEAR(*figures.blocks_per_hour, 80, 1e-6);
    EXPECT_NEAR(*figures.bytes_per_hour, 80 * 64, 1e-6);
    EXPECT_EQ(*figures.freed_share, 0);
    EXPECT_TRUE(figures.uniform_sizes);
    EXPECT_GT(row_of(report, "Leak").confidence, 0.8);
}

TEST(Verdict, WhatIsNeverFreedIsToldInWords) {
    const Report report = report_of(series(100, {{"Leak", leak}}));
    EXPECT_EQ(row_of(report, "Leak").reasons.front(), "None of its 3960 allocations in this time was freed");
}

TEST(Verdict, TimeToExhaustionByTheGivenLimit) {
    VerdictOptions options;
    options.limit = 10'000'000;
    Report report = report_of(series(100, {{"Leak", leak}}), options);
    const double used = (1000 + 40 * 99) * 64;
    EXPECT_NEAR(*row_of(report, "Leak").figures.exhausted_hours, (1e7 - used) / (80 * 64), 0.1);
}

TEST(Verdict, TheNextDoubtIsTheReason) {
    Report report = report_of(series(
        100, {
                 {"Slow", [](int i) { return Level{1000 + 4000 * (1 - std::exp(-i / 50.0)), 9000.0 + 100 * i}; }},
                 {"Stop", [](int i) { return Level{1000 + 40.0 * std::min(i, 60), 1000 + 40.0 * std::min(i, 60)}; }},
                 {"MmSt", leak},
             }));
    EXPECT_EQ(row_of(report, "Slow").verdict, Verdict::growing);
    EXPECT_THAT(row_of(report, "Slow").reasons.front(), HasSubstr("slows down"));
    EXPECT_EQ(row_of(report, "Stop").verdict, Verdict::growing);
    EXPECT_THAT(row_of(report, "Stop").reasons.front(), HasSubstr("stopped"));
    EXPECT_EQ(row_of(report, "MmSt").verdict, Verdict::growing);
    EXPECT_THAT(row_of(report, "MmSt").reasons.front(), HasSubstr("cache"));
}

TEST(Verdict, LoadExplainsByLittlesLaw) {
    // The load triples, and with it the blocks in use: each lives as long as before.
    double allocs = 5000;
    Report report = report_of(series(120, {{"Load", [&](int i) {
                                                const double rate = 1000 + 2000.0 * i / 119;
                                                allocs += rate;
                                                return Level{rate / 5, allocs};
                                            }}}));
    EXPECT_EQ(row_of(report, "Load").verdict, Verdict::growing);
    EXPECT_THAT(row_of(report, "Load").reasons.front(), HasSubstr("more load can explain"));
}

TEST(Verdict, AShortRiseIsOnlyGrowing) {
    Report report = report_of(series(16, {{"Leak", leak}}));
    EXPECT_EQ(row_of(report, "Leak").verdict, Verdict::growing);
    EXPECT_FALSE(report.advice.empty());
}

TEST(Verdict, OneSnapshotSaysSo) {
    Report report = report_of(series(1, {{"WCsc", [](int) { return Level{7'500'000, 7'500'000}; }},
                                         {"Busy", [](int) { return Level{20, 90'000'000}; }}}));
    EXPECT_EQ(row_of(report, "WCsc").verdict, Verdict::leaking);
    EXPECT_THAT(row_of(report, "WCsc").reasons.back(), HasSubstr("One snapshot"));
    EXPECT_EQ(row_of(report, "Busy").verdict, Verdict::undecided);
    EXPECT_THAT(report.advice.front().command, HasSubstr("poolkd record"));
}

TEST(Verdict, LockstepNamesTheUpperLayer) {
    // Blocks in use for each that leaks; the rest of the allocations is freed again.
    auto tag = [](double base, double ratio) {
        return [=](int i) { return Level{base + ratio * (40.0 * i + 17 * (i * 7 % 5)), 9000.0 + 300 * i}; };
    };
    Report report = report_of(
        series(100, {{"NtFC", tag(2000, 2), 2048}, {"IoNm", tag(500, 1)}, {"Xflt", tag(10, 1), 32}, {"Flat", still}}));
    ASSERT_EQ(report.groups.size(), 1u);
    const LeakGroup& group = report.groups.front();
    ASSERT_EQ(group.members.size(), 3u);
    // The smallest of the three, but a third party's, above the file system and the names.
    EXPECT_EQ(report.rows[group.members[0].row].key.tag.text(), "Xflt");
    EXPECT_EQ(report.rows[group.members[1].row].key.tag.text(), "NtFC");
    EXPECT_NEAR(group.members[1].ratio, 2, 0.05);
    EXPECT_EQ(report.rows[group.members[2].row].key.tag.text(), "IoNm");
    EXPECT_FALSE(row_of(report, "Flat").group.has_value());
}

TEST(Verdict, LeaksWithWaysOfTheirOwnAreApart) {
    Report report = report_of(
        series(100, {{"Aaaa", [](int i) { return Level{1000.0 + 40 * i + 13 * (i * 7 % 5), 90'000.0 + 100 * i}; }},
                     {"Bbbb", [](int i) { return Level{1000.0 + 57 * i + 19 * (i * 3 % 7), 90'000.0 + 130 * i}; }}}));
    EXPECT_TRUE(report.groups.empty());
}

TEST(Verdict, WithoutAllocationsNothingIsCalledALeak) {
    auto snapshots = series(100, {{"Leak", leak}});
    for (Snapshot& snapshot : snapshots)
        snapshot.activity = false;
    EXPECT_EQ(row_of(report_of(std::move(snapshots)), "Leak").verdict, Verdict::growing);
}

TEST(Verdict, FewEvenStepsOfFewBlocksProveNothing) {
    auto snapshots = series(10, {{"Tiny", [](int i) { return Level{100.0 + 2 * i, 100.0 + 2 * i}; }}});
    for (std::size_t i = 0; i < snapshots.size(); ++i)
        snapshots[i].time = Time(std::chrono::hours(480'000 + 12 * i));
    EXPECT_EQ(row_of(report_of(std::move(snapshots)), "Tiny").verdict, Verdict::growing);
}

TEST(Verdict, ATableThatDoesNotMoveIsNoLeak) {
    auto fixed = [](int) { return Level{150'000, 150'000}; };
    EXPECT_EQ(row_of(report_of(series(7, {{"Init", fixed, 4096}})), "Init").verdict, Verdict::flat);
    EXPECT_EQ(row_of(report_of(series(8, {{"Init", fixed, 4096}})), "Init").verdict, Verdict::flat);
}

TEST(Verdict, CountersThatHadWrappedSayNothingSinceBoot) {
    Snapshot one = series(1, {{"Wrap", still}}).front();
    one.rows.front().allocs = 150'000;
    one.rows.front().frees = 4'294'917'296; // 200,000 in use
    one.rows.front().bytes = 200'000'000;
    const Report report = report_of({one});
    EXPECT_NE(row_of(report, "Wrap").verdict, Verdict::leaking);
    EXPECT_EQ(row_of(report, "Wrap").figures.blocks, 200'000);
}

TEST(Verdict, TheBootSinceTheRestartCounts) {
    // A driver that leaked was mended, and the machine restarted: 200 snapshots before, 100 after.
    Report report =
        report_of(series(300, {{"Leak", [](int i) { return i < 200 ? leak(i) : Level{50, 60}; }},
                               {"Busy", [](int i) { return Level{10, 10.0 + 100 * (i < 200 ? i : i - 200)}; }}}));
    EXPECT_EQ(report.restarts, 1u);
    EXPECT_EQ(row_of(report, "Leak").verdict, Verdict::flat);
    // With few snapshots since, the boot before is all there is, and that is said.
    report = report_of(series(205, {{"Leak", [](int i) { return i < 200 ? leak(i) : Level{50, 60}; }},
                                    {"Busy", [](int i) { return Level{10, 10.0 + 100 * (i < 200 ? i : i - 200)}; }}}));
    EXPECT_EQ(row_of(report, "Leak").verdict, Verdict::leaking);
    EXPECT_THAT(row_of(report, "Leak").reasons.front(), HasSubstr("before the last restart"));
}

TEST(Verdict, HugeNumbersStayNumbers) {
    auto snapshots = series(20, {{"Huge", leak}});
    for (Snapshot& snapshot : snapshots)
        snapshot.rows.front().bytes = std::numeric_limits<std::int64_t>::max();
    EXPECT_GT(row_of(report_of(std::move(snapshots)), "Huge").figures.bytes, 9'000'000'000'000'000'000);
}

TEST(Verdict, NothingIsAnError) {
    Work work;
    auto source = from_snapshots({});
    auto report = judge(*source, {}, work);
    ASSERT_FALSE(report.has_value());
    EXPECT_EQ(report.error().kind, ErrorKind::not_found);
}

TEST(Layers, TheUsersListComesFirst) {
    TagLists lists;
    lists.add_text("Abcd - mine.sys - ring buffers\nNtFC - mine.sys - my own use of it\n");
    EXPECT_EQ(layer_of(*PoolTag::from_text("Abcd"), &lists).binary, "mine.sys");
    EXPECT_EQ(layer_of(*PoolTag::from_text("NtFC"), &lists).binary, "mine.sys");
    EXPECT_EQ(layer_of(*PoolTag::from_text("NtFC"), nullptr).binary, "ntfs.sys");
    EXPECT_FALSE(layer_of(*PoolTag::from_text("Zzzz"), &lists).known);
}

TEST(Layers, WhatIsHigherHoldsWhatIsLower) {
    auto height = [](std::string_view tag) { return layer_of(*PoolTag::from_text(tag), nullptr).height; };
    EXPECT_GT(height("WCsc"), height("Zzzz"));
    EXPECT_GT(height("Zzzz"), height("NtFC"));
    EXPECT_GT(height("NtFC"), height("File"));
    EXPECT_GT(height("File"), height("IoNm"));
    EXPECT_GT(height("Proc"), height("Toke"));
    EXPECT_GT(height("IoNm"), height("Mdl "));
}

} // namespace
} // namespace poolkd::hunt
