#include "hunt/recent.h"

#include <gtest/gtest.h>

namespace poolkd::hunt {
namespace {

Snapshot at(int second) {
    Snapshot snapshot;
    snapshot.time = Time(std::chrono::seconds(second));
    return snapshot;
}

TEST(RecentSnapshots, AreBoundedAndReachBackToTheStart) {
    RecentSnapshots recent(16);
    EXPECT_EQ(recent.last(), nullptr);
    EXPECT_EQ(recent.before_last(), nullptr);
    for (int i = 0; i < 1000; ++i) {
        recent.add(at(i));
        ASSERT_LE(recent.size(), 16u);
        ASSERT_EQ(recent.last()->time, at(i).time);
        if (i > 0) {
            ASSERT_EQ(recent.before_last()->time, at(i - 1).time);
        }
    }
    Work work;
    auto kept = read_all(*recent.source(), work);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->size(), recent.size());
    EXPECT_EQ(kept->front().time, at(0).time);
    for (std::size_t i = 1; i < kept->size(); ++i)
        EXPECT_LT((*kept)[i - 1].time, (*kept)[i].time);
}

} // namespace
} // namespace poolkd::hunt
