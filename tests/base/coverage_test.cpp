#include "base/coverage.h"

#include <gtest/gtest.h>

namespace poolkd {
namespace {

TEST(Coverage, AReasonIsToldAsAnother) {
    Coverage coverage;
    coverage.add_read(100);
    coverage.add_gap(GapReason::stopped, VirtAddr(0x1000), 20);
    coverage.add_gap(GapReason::limit_reached, VirtAddr(0x3000), 5);
    coverage.tell_as(GapReason::stopped, GapReason::limit_reached);
    EXPECT_FALSE(coverage.stopped());
    EXPECT_EQ(coverage.sentence(), "Partial: 25 of 125 bytes not used (limit reached: 25).");
    for (const Gap& gap : coverage.gaps())
        EXPECT_EQ(gap.reason, GapReason::limit_reached);
    coverage.tell_as(GapReason::unmapped, GapReason::stopped);
    EXPECT_FALSE(coverage.stopped()) << "nothing was unmapped";
}

} // namespace
} // namespace poolkd
