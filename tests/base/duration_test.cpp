#include "base/duration.h"

#include <gtest/gtest.h>

namespace poolkd {
namespace {

using namespace std::chrono_literals;

TEST(Duration, IsReadAsPeopleWriteIt) {
    EXPECT_EQ(parse_duration("500ms"), 500ms);
    EXPECT_EQ(parse_duration("30s"), 30s);
    EXPECT_EQ(parse_duration("5m"), 5min);
    EXPECT_EQ(parse_duration("2h"), 2h);
    EXPECT_EQ(parse_duration("1d"), 24h);
    EXPECT_EQ(parse_duration("1h30m"), 90min);
    EXPECT_EQ(parse_duration("1.5h"), 90min);
    EXPECT_EQ(parse_duration("10"), 10s);
    for (std::string_view text : {"", "0", "s", "5x", "-5s", "1h30", "5 m", "1..5s", "0.1ms", "9999999d", "1e3s", "."})
        EXPECT_EQ(parse_duration(text), std::nullopt) << text;
}

TEST(Duration, IsWrittenShort) {
    EXPECT_EQ(duration_text(12ms), "12ms");
    EXPECT_EQ(duration_text(1250ms), "1.25s");
    EXPECT_EQ(duration_text(30s), "30s");
    EXPECT_EQ(duration_text(90s), "1m 30s");
    EXPECT_EQ(duration_text(2h + 5min + 7s), "2h 5m");
    EXPECT_EQ(duration_text(3h), "3h");
    EXPECT_EQ(duration_text(25h), "1d 1h");
    EXPECT_EQ(duration_text(59'999ms), "1m");
}

} // namespace
} // namespace poolkd
