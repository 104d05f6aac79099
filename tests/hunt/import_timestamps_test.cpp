#include "hunt/import/numbers.h"
#include "hunt/import/timestamps.h"
#include "import_support.h"

namespace poolkd::hunt::import_timestamps_test {
namespace {

using import::timestamp;
using imports::at;

TEST(ImportTimestamps, OneInstantInManyForms) {
    for (std::string_view text : {"1795599795",
                                  "1795599795000",
                                  "1795599795.000",
                                  "2026-11-25T09:43:15Z",
                                  "2026-11-25 09:43:15",
                                  "2026/11/25 09:43:15",
                                  "2026-11-25T10:43:15+01:00",
                                  "2026-11-25T02:43:15-0700",
                                  "2026-11-25 11:43:15 +02",
                                  "Wed 11/25/2026  9:43:15.00",
                                  "11/25/2026 9:43:15 AM",
                                  "25/11/2026 09:43:15",
                                  "25.11.2026 09:43:15",
                                  "25-11-2026 09:43:15",
                                  "11/25/26 9:43:15 am",
                                  "11-25-2026 09:43:15",
                                  "25-Nov-26 09:43:15",
                                  "25-Nov-2026 09:43:15",
                                  "2026-Nov-25 09:43:15",
                                  "2026/11/25 09.43.15",
                                  "25.11.2026 9.43.15",
                                  "Wed Nov 25 09:43:15 2026",
                                  "Wed Nov 25 09:43:15 UTC 2026",
                                  "Wednesday, November 25, 2026 9:43:15 AM",
                                  "25 November 2026 09:43:15",
                                  "/Date(1795599795000)/",
                                  "\\/Date(1795599795000)\\/",
                                  "/Date(1795599795000+0100)/"})
        EXPECT_EQ(timestamp(text), at(1795599795000)) << text;
    EXPECT_EQ(timestamp("2026-11-25T21:43:15.1239999Z"), at(1795599795123 + 12 * 3600 * 1000));
    EXPECT_EQ(timestamp("11/25/2026 12:00 AM"), at(1795564800000));
    EXPECT_EQ(timestamp("11/25/2026 12:00 PM"), at(1795564800000 + 12 * 3600 * 1000));
    EXPECT_EQ(timestamp("2026-11-25"), at(1795564800000));
    EXPECT_EQ(timestamp("1764063795.120"), at(1764063795120));
}

TEST(ImportTimestamps, WhatIsNoTime) {
    for (std::string_view text : {"",
                                  " ",
                                  "x",
                                  "12",
                                  "25",
                                  "09:43",
                                  "99:99 11/25/2026",
                                  "11/25/2026 25:00",
                                  "2026-13-45",
                                  "2026-11-25 09:43:15 x",
                                  "Abc  Nonp 1 2 3",
                                  "11/25/2026 11/25/2026",
                                  "1:2:",
                                  "1:",
                                  ":",
                                  "-",
                                  "nan",
                                  "inf",
                                  "1e300",
                                  "Nov",
                                  "Wed",
                                  "2026",
                                  "Nov 25 09:43:15",
                                  "05-Nov",
                                  "05-Now-26",
                                  "0000-01-01"})
        EXPECT_FALSE(timestamp(text)) << text;
}

TEST(ImportTimestamps, Numbers) {
    using import::counter;
    using import::whole_number;
    EXPECT_EQ(whole_number("123"), 123);
    EXPECT_EQ(whole_number(" 1,234,567 "), 1234567);
    EXPECT_EQ(whole_number("1.234.567"), 1234567);
    EXPECT_EQ(whole_number("1 234"), 1234);
    EXPECT_EQ(whole_number("1\xc2\xa0"
                           "234"),
              1234);
    EXPECT_EQ(whole_number("1'234"), 1234);
    EXPECT_EQ(whole_number("-1,234"), -1234);
    EXPECT_EQ(whole_number("123.0"), 123);
    EXPECT_EQ(whole_number("1234,00"), 1234);
    EXPECT_EQ(whole_number("0x10"), 16);
    EXPECT_FALSE(whole_number("1,234", true));
    EXPECT_EQ(whole_number("1,234,567", true), 1234567);
    for (std::string_view text : {"", "-", "1.234", "1,234.567", "1.234,567", ",", "1,23", "1,2345", "12,", ",123",
                                  "1.5", "abc", "99999999999999999999", "1,234x"})
        EXPECT_FALSE(whole_number(text)) << text;
    EXPECT_EQ(counter("-1"), 0xffffffffu);
    EXPECT_FALSE(counter("-9999999999"));
}

} // namespace
} // namespace poolkd::hunt::import_timestamps_test
