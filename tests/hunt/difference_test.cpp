#include "hunt/difference.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

using namespace std::chrono_literals;
using Presence = TagDifference::Presence;

const Time begin{std::chrono::milliseconds(1780300800000)};

TagCounts row(const char* tag, PoolKind kind, std::uint64_t allocs, std::uint64_t frees, std::int64_t bytes) {
    return {{*PoolTag::from_text(tag), kind}, allocs, frees, bytes};
}

Snapshot snapshot(std::chrono::milliseconds after, std::vector<TagCounts> rows) {
    Snapshot made;
    made.time = begin + after;
    made.uptime = 1h + after;
    made.rows = std::move(rows);
    sort_rows(made.rows);
    return made;
}

const TagDifference& find(const Difference& difference, const char* tag) {
    for (const TagDifference& one : difference.rows)
        if (one.key.tag == *PoolTag::from_text(tag)) return one;
    ADD_FAILURE() << tag << " is missing";
    return difference.rows.front();
}

TEST(Difference, GrowthComesFirst) {
    const auto a =
        snapshot(0h, {row("Abc", PoolKind::paged, 100, 10, 9000), row("File", PoolKind::nonpaged, 50, 40, 4000),
                      row("Same", PoolKind::paged, 5, 0, 80)});
    const auto b =
        snapshot(2h, {row("Abc", PoolKind::paged, 300, 20, 28000), row("File", PoolKind::nonpaged, 90, 85, 2000),
                      row("Same", PoolKind::paged, 5, 0, 80)});
    const Difference d = difference(a, b);
    ASSERT_EQ(d.rows.size(), 3u);
    EXPECT_EQ(d.rows[0].key.tag.text(), "Abc ");
    EXPECT_EQ(d.rows[2].key.tag.text(), "File");
    EXPECT_EQ(d.rows[0].allocs, 200u);
    EXPECT_EQ(d.rows[0].frees, 10u);
    EXPECT_EQ(d.rows[0].blocks(), 190);
    EXPECT_EQ(d.rows[0].bytes(), 19000);
    EXPECT_DOUBLE_EQ(*d.rows[0].freed_share, 0.05);
    EXPECT_DOUBLE_EQ(*d.rows[0].bytes_per_hour, 9500);
    EXPECT_EQ(d.rows[1].freed_share, std::nullopt) << "no allocation, no share";
    EXPECT_DOUBLE_EQ(*d.hours, 2);
    EXPECT_EQ(d.after.paged_bytes - d.before.paged_bytes, 19000);
    EXPECT_FALSE(d.turned);
}

TEST(Difference, TheLaterOneIsTheSecond) {
    const auto a = snapshot(2h, {row("Abc", PoolKind::paged, 300, 20, 28000)});
    const auto b = snapshot(0h, {row("Abc", PoolKind::paged, 100, 10, 9000)});
    const Difference d = difference(a, b);
    EXPECT_TRUE(d.turned);
    EXPECT_FALSE(d.restarted);
    EXPECT_EQ(d.rows[0].bytes(), 19000);
}

TEST(Difference, CountersThatWrapGoOn) {
    const auto a = snapshot(0h, {row("Abc", PoolKind::paged, 0xfffffff0u, 0xffffff00u, 24000)});
    const auto b = snapshot(1h, {row("Abc", PoolKind::paged, 0x10u, 0xffffff80u, 14400)});
    const Difference d = difference(a, b);
    EXPECT_EQ(d.wraps, 1u);
    EXPECT_EQ(d.rows[0].allocs, 0x20u);
    EXPECT_EQ(d.rows[0].frees, 0x80u);
    EXPECT_EQ(d.rows[0].after->blocks, 0x90);
}

TEST(Difference, AfterARestartOnlyWhatIsInUseCounts) {
    auto a = snapshot(0h, {row("Abc", PoolKind::paged, 5000, 10, 9000)});
    auto b = snapshot(1h, {row("Abc", PoolKind::paged, 100, 20, 2000)});
    a.uptime = 50h;
    b.uptime = 30min;
    const Difference d = difference(a, b);
    EXPECT_TRUE(d.restarted);
    EXPECT_FALSE(d.activity);
    EXPECT_EQ(d.rows[0].allocs, std::nullopt);
    EXPECT_EQ(d.rows[0].bytes_per_hour, std::nullopt);
    EXPECT_EQ(d.rows[0].bytes(), -7000);
}

TEST(Difference, WholeSnapshotsTellWhatIsNewAndGone) {
    const auto a = snapshot(0h, {row("Gone", PoolKind::paged, 10, 0, 800)});
    const auto b = snapshot(1h, {row("New", PoolKind::paged, 7, 2, 400)});
    const Difference d = difference(a, b);
    EXPECT_EQ(find(d, "New").presence, Presence::appeared);
    EXPECT_EQ(find(d, "New").bytes(), 400);
    EXPECT_EQ(find(d, "New").allocs, 7u);
    EXPECT_EQ(find(d, "Gone").presence, Presence::gone);
    EXPECT_EQ(find(d, "Gone").bytes(), -800);
    EXPECT_EQ(find(d, "Gone").allocs, std::nullopt);
}

TEST(Difference, WhatAPartialSnapshotLeavesOutIsNotCompared) {
    auto a = snapshot(0h, {row("Abc", PoolKind::paged, 10, 0, 800), row("Old", PoolKind::paged, 3, 0, 99999)});
    auto b = snapshot(1h, {row("Abc", PoolKind::paged, 12, 0, 960), row("Now", PoolKind::paged, 3, 0, 77)});
    a.whole = b.whole = false;
    const Difference d = difference(a, b);
    EXPECT_EQ(d.rows[0].key.tag.text(), "Abc ");
    EXPECT_EQ(find(d, "Old").presence, Presence::only_before);
    EXPECT_EQ(find(d, "Now").presence, Presence::only_after);
    EXPECT_FALSE(find(d, "Now").comparable());
    EXPECT_EQ(find(d, "Now").bytes(), 0);
}

TEST(Difference, TheSameTagInBothPoolsIsTwo) {
    const auto a = snapshot(0h, {row("Abc", PoolKind::paged, 1, 0, 10), row("Abc", PoolKind::nonpaged, 1, 0, 20)});
    const auto b = snapshot(1h, {row("Abc", PoolKind::nonpaged, 2, 0, 40)});
    const Difference d = difference(a, b);
    ASSERT_EQ(d.rows.size(), 2u);
    EXPECT_EQ(d.rows[0].key.kind, PoolKind::nonpaged);
    EXPECT_EQ(d.rows[0].bytes(), 20);
    EXPECT_EQ(d.rows[1].presence, Presence::gone);
}

TEST(Difference, FiguresBeyondAllMeasureStayDefined) {
    const auto a = snapshot(0h, {row("Abc", PoolKind::paged, 1, 0, INT64_MIN), row("Def", PoolKind::paged, 1, 0, -1)});
    const auto b = snapshot(1h, {row("Abc", PoolKind::paged, 1, 0, INT64_MAX), row("Def", PoolKind::paged, 1, 0, 1)});
    const Difference d = difference(a, b);
    EXPECT_EQ(d.rows[0].bytes(), INT64_MAX);
    EXPECT_EQ(d.before.paged_bytes, INT64_MIN);
    EXPECT_EQ(d.after.paged_bytes, INT64_MAX);
    EXPECT_EQ(difference(b, snapshot(2h, a.rows)).rows.back().bytes(), INT64_MIN);
}

} // namespace
} // namespace poolkd::hunt
