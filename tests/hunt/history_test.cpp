#include "hunt/counters.h"
#include "hunt/history.h"

#include <gtest/gtest.h>

#include <cmath>

namespace poolkd::hunt {
namespace {

TagCounts row(std::string_view tag, std::uint64_t allocs, std::uint64_t frees, std::int64_t bytes,
              PoolKind kind = PoolKind::nonpaged) {
    return {{*PoolTag::from_text(tag), kind}, allocs, frees, bytes};
}

Snapshot snapshot(int minute, std::vector<TagCounts> rows) {
    Snapshot made;
    made.time = Time(std::chrono::minutes(29'000'000 + minute));
    made.rows = std::move(rows);
    sort_rows(made.rows);
    return made;
}

History history_of(std::vector<Snapshot> snapshots) {
    Work work;
    auto source = from_snapshots(std::move(snapshots));
    auto history = read_history(*source, work);
    EXPECT_TRUE(history.has_value());
    return history ? std::move(*history) : History{};
}

TEST(Counters, AdvanceAcrossAWrap) {
    EXPECT_EQ(advance(10, 15), 5u);
    EXPECT_EQ(advance(0xfffffff0u, 16), 32u);
    EXPECT_EQ(advance(1000, 10), 0u);          // no wrap: too far
    EXPECT_EQ(advance(0x1'0000'0000u, 5), 0u); // no 32-bit counter
}

TEST(Counters, BlocksInUse) {
    EXPECT_EQ(blocks_in_use(row("Abcd", 30, 10, 0)), 20);
    EXPECT_EQ(blocks_in_use(row("Abcd", 5, 0xfffffffb, 0)), 10); // one of the two has wrapped
    EXPECT_EQ(blocks_in_use(row("Abcd", 5, 7, 0)), -2);          // a table that was read on the move
}

TEST(Counters, RestartByUptime) {
    Snapshot a = snapshot(0, {row("Abcd", 10, 5, 1)}), b = snapshot(1, {row("Abcd", 20, 5, 1)});
    a.uptime = std::chrono::hours(5);
    b.uptime = std::chrono::hours(6);
    EXPECT_FALSE(restarted_between(a, b));
    EXPECT_TRUE(restarted_between(b, a));
}

TEST(Counters, RestartByCounters) {
    Snapshot a = snapshot(0, {row("Aaaa", 1000, 5, 1), row("Bbbb", 5000, 5, 1), row("Cccc", 70, 5, 1)});
    Snapshot b = snapshot(1, {row("Aaaa", 100, 5, 1), row("Bbbb", 50, 5, 1), row("Cccc", 70, 5, 1)});
    EXPECT_TRUE(restarted_between(a, b));
    EXPECT_FALSE(restarted_between(b, a));
}

TEST(Counters, WrapIsNoRestart) {
    Snapshot a = snapshot(0, {row("Aaaa", 0xf0000000, 0xefffff00, 4096)});
    Snapshot b = snapshot(1, {row("Aaaa", 0x100, 0xfffffe00, 4096)});
    EXPECT_FALSE(restarted_between(a, b));
}

TEST(Counters, FreesThatSlipAreNoRestart) {
    Snapshot a = snapshot(0, {row("Aaaa", 100, 90, 1)}), b = snapshot(1, {row("Aaaa", 110, 89, 1)});
    EXPECT_FALSE(restarted_between(a, b));
}

TEST(History, FollowsTagsThroughTime) {
    History h =
        history_of({snapshot(0, {row("Bbbb", 10, 4, 60), row("Aaaa", 1, 0, 8)}), snapshot(30, {row("Aaaa", 2, 0, 16)}),
                    snapshot(60, {row("Bbbb", 30, 4, 260), row("Aaaa", 3, 1, 16)})});
    ASSERT_EQ(h.tags.size(), 2u);
    EXPECT_EQ(h.hours, (std::vector<double>{0, 0.5, 1}));
    EXPECT_EQ(h.tags[0].key.tag.text(), "Aaaa");
    EXPECT_EQ(h.tags[0].blocks, (std::vector<double>{1, 2, 2}));
    EXPECT_EQ(h.tags[1].allocs.front(), 10);
    EXPECT_TRUE(std::isnan(h.tags[1].blocks[1])); // not there: not known, and not zero
    EXPECT_EQ(h.tags[1].bytes.back(), 260);
    EXPECT_EQ(h.restarts(), 0u);
}

TEST(History, AbsentFromAListOfWhatIsInUseIsZero) {
    auto in_use = [](int minute, std::vector<TagCounts> rows) {
        Snapshot made = snapshot(minute, std::move(rows));
        made.activity = false;
        return made;
    };
    History h = history_of({in_use(0, {row("Aaaa", 5, 0, 80)}), in_use(1, {row("Bbbb", 1, 0, 8)})});
    ASSERT_EQ(h.tags.size(), 2u);
    EXPECT_EQ(h.tags[0].blocks.back(), 0);
    EXPECT_TRUE(h.tags[0].allocs.empty());
    EXPECT_TRUE(std::isnan(h.tags[1].blocks.front()));
}

TEST(History, UnwrapsAllocations) {
    History h = history_of({snapshot(0, {row("Aaaa", 0xffffff00, 0xfffffe00, 4096)}),
                            snapshot(1, {row("Aaaa", 0x100, 0xffffff00, 8192)}),
                            snapshot(2, {row("Aaaa", 0x300, 0x100, 8192)})});
    EXPECT_EQ(h.wraps, 1u);
    EXPECT_EQ(h.restarts(), 0u);
    EXPECT_EQ(h.tags[0].allocs, (std::vector<double>{0xffffff00p0, 0x100000100p0, 0x100000300p0}));
    EXPECT_EQ(h.tags[0].blocks, (std::vector<double>{256, 512, 512}));
}

TEST(History, RestartBeginsANewBoot) {
    std::vector<Snapshot> snapshots;
    for (int i = 0; i < 10; ++i) {
        const auto allocs = static_cast<std::uint64_t>(i < 6 ? 1000 + i * 10 : (i - 5) * 10);
        snapshots.push_back(snapshot(i, {row("Aaaa", allocs, allocs / 2, 100)}));
    }
    History h = history_of(std::move(snapshots));
    EXPECT_EQ(h.restarts(), 1u);
    EXPECT_EQ(h.boot, (std::vector<std::uint32_t>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}));
    EXPECT_EQ(h.tags[0].allocs.back(), 40);
}

TEST(History, ThinsOutEvenlyAndKeepsTheEnds) {
    std::vector<Snapshot> snapshots;
    constexpr int count = 5001;
    for (int i = 0; i < count; ++i) {
        std::vector<TagCounts> rows{row("Aaaa", static_cast<std::uint64_t>(i), 0, i)};
        if (i >= 3000) rows.push_back(row("Late", 7, 0, 7));
        snapshots.push_back(snapshot(i, std::move(rows)));
    }
    History h = history_of(std::move(snapshots));
    EXPECT_EQ(h.snapshots, static_cast<std::size_t>(count));
    EXPECT_LE(h.hours.size(), History::max_points + 1);
    EXPECT_GE(h.hours.size(), History::max_points / 2);
    ASSERT_EQ(h.tags.size(), 2u);
    for (std::size_t i = 0; i < h.hours.size(); ++i) {
        EXPECT_NEAR(h.tags[0].blocks[i], h.hours[i] * 60, 1e-6);
        EXPECT_EQ(h.tags[1].blocks[i], h.hours[i] * 60 < 2999.5 ? 0 : 7);
        EXPECT_EQ(h.tags[1].allocs[i], h.hours[i] * 60 < 2999.5 ? 0 : 7);
    }
    EXPECT_EQ(h.tags[0].blocks.front(), 0);
    EXPECT_EQ(h.tags[0].blocks.back(), count - 1);
}

TEST(History, WithoutTimesTheNumbersStandForThem) {
    std::vector<Snapshot> snapshots;
    for (int i = 0; i < 5; ++i) {
        snapshots.push_back(snapshot(i * 7, {row("Aaaa", 1, 0, 1)}));
        if (i == 3) snapshots.back().time.reset();
    }
    History h = history_of(std::move(snapshots));
    EXPECT_FALSE(h.timed);
    EXPECT_EQ(h.hours, (std::vector<double>{0, 1, 2, 3, 4}));
}

/// Ends with the user's stop after some snapshots.
class StoppedSource final : public SnapshotSource {
  public:
    explicit StoppedSource(int count) : count_(count) {}
    Result<bool> next(Snapshot& out, Work&) override {
        if (count_-- == 0) return fail(ErrorKind::stopped, "stopped");
        out = snapshot(count_, {row("Aaaa", 1, 0, 1)});
        return true;
    }
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }

  private:
    int count_;
    std::vector<std::string> notes_;
};

TEST(History, AStopLeavesWhatWasRead) {
    Work work;
    StoppedSource source(3), at_once(0);
    auto history = read_history(source, work);
    ASSERT_TRUE(history.has_value());
    EXPECT_EQ(history->snapshots, 3u);
    EXPECT_TRUE(history->coverage.stopped());
    auto nothing = read_history(at_once, work);
    ASSERT_FALSE(nothing.has_value());
    EXPECT_EQ(nothing.error().kind, ErrorKind::stopped);
}

TEST(History, ATagThatAppearsLateWasNothingOnlyWhereAllTagsWereListed) {
    for (int part : {-1, 0, 1, 2}) {
        std::vector<Snapshot> snapshots;
        for (int i = 0; i < 3; ++i) {
            snapshots.push_back(snapshot(i, {row("Aaaa", 1, 0, 1)}));
            snapshots.back().whole = i != part;
        }
        snapshots[2].rows.push_back(row("Late", 7, 0, 7));
        const History h = history_of(std::move(snapshots));
        ASSERT_EQ(h.tags.size(), 2u);
        const bool known = part < 0 || part == 2;
        EXPECT_EQ(h.tags[1].blocks[0] == 0, known) << part;
        EXPECT_EQ(std::isnan(h.tags[1].blocks[1]), !known) << part;
        EXPECT_EQ(h.tags[1].blocks[2], 7) << part;
    }
}

TEST(History, VeryManyTagsAreBounded) {
    std::vector<Snapshot> snapshots;
    for (int i = 0; i < 900; ++i)
        snapshots.push_back(snapshot(i, {row("Aaaa", static_cast<std::uint64_t>(i), 0, 1)}));
    snapshots.push_back(snapshot(900, {row("Aaaa", 900, 0, 1)}));
    for (std::uint32_t i = 0; i < 60'000; ++i)
        snapshots.back().rows.push_back({{PoolTag(0x41000000 + i), PoolKind::paged}, 1, 0, 1});
    sort_rows(snapshots.back().rows);
    const History h = history_of(std::move(snapshots));
    EXPECT_EQ(h.tags.size(), EvidenceHead::most_tags);
    EXPECT_LE(h.hours.size() * h.tags.size(), History::max_cells + h.tags.size());
    EXPECT_GT(h.hours.size(), 50u);
    EXPECT_FALSE(h.coverage.complete());
    EXPECT_EQ(h.hours.back(), 15);
    for (const TagHistory& tag : h.tags)
        ASSERT_EQ(tag.blocks.size(), h.hours.size());
}

TEST(History, TimeNeverFalls) {
    const History h = history_of({snapshot(0, {row("Aaaa", 1, 0, 1)}), snapshot(60, {row("Aaaa", 2, 0, 1)}),
                                  snapshot(30, {row("Aaaa", 3, 0, 1)}), snapshot(120, {row("Aaaa", 4, 0, 1)})});
    EXPECT_EQ(h.hours, (std::vector<double>{0, 1, 1, 2}));
}

} // namespace
} // namespace poolkd::hunt
