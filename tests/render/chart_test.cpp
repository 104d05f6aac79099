#include "render/chart.h"
#include "render/quantity.h"
#include "render/table.h"

#include <gtest/gtest.h>

#include <limits>

namespace poolkd::render {
namespace {

std::string spark(std::vector<double> values, std::size_t width = 20, ChartStyle style = ChartStyle::unicode) {
    return sparkline(values, width, style);
}

constexpr double no_value = std::numeric_limits<double>::quiet_NaN();

TEST(Sparkline, GoesFromTheLeastToTheMost) {
    EXPECT_EQ(spark({0, 1, 2, 3, 4, 5, 6, 7}), "▁▂▃▄▅▆▇█");
    EXPECT_EQ(spark({0, 1, 2, 3, 4, 5, 6, 7}, 20, ChartStyle::ascii), "_.-:=+*#");
}

TEST(Sparkline, WhatHardlyMovesLooksSo) {
    EXPECT_EQ(spark({1000, 1000, 1000}), "▁▁▁");
    EXPECT_EQ(spark({1000, 1001, 1000}), "▁▁▁");
    EXPECT_EQ(spark({0, 0}), "▁▁");
}

TEST(Sparkline, UnknownValuesAreBlank) {
    EXPECT_EQ(spark({no_value, 0, 8}), " ▁█");
    EXPECT_EQ(spark({no_value, no_value}), "  ");
    EXPECT_EQ(spark({}), "");
}

TEST(Sparkline, ManyValuesShareACharacter) {
    std::vector<double> values;
    for (int i = 0; i < 100; ++i)
        values.push_back(i);
    EXPECT_EQ(spark(values, 4), "▁▃▆█");
}

TEST(LineChart, AsciiHasAxesAndMarks) {
    const std::vector<double> values{0, 10, 20, 30, 0, 10};
    LineChart chart;
    chart.values = values;
    chart.marks = {0.8};
    chart.left = "begin";
    chart.right = "end";
    chart.label = size_text;
    chart.width = 26;
    chart.height = 4;
    chart.style = ChartStyle::ascii;
    EXPECT_EQ(line_chart(chart), "30 B +          ***   :\n"
                                 "     |      ****   *  :\n"
                                 "10 B +  ****        * : **\n"
                                 "   0 +**             ***\n"
                                 "     +----------------^---\n"
                                 "      begin            end\n");
}

TEST(LineChart, BrailleKeepsTheWidth) {
    const std::vector<double> values{0, 100};
    LineChart chart;
    chart.values = values;
    chart.label = size_text;
    chart.width = 20;
    chart.height = 3;
    const std::string text = line_chart(chart);
    EXPECT_NE(text.find("⣀"), std::string::npos);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        EXPECT_LE(display_width(text.substr(at, end - at)), 20u);
        at = end + 1;
    }
}

TEST(LineChart, AFlatCourseHasARangeToo) {
    const std::vector<double> zeros{0, 0, 0}, one{5};
    LineChart chart;
    chart.label = size_text;
    chart.values = zeros;
    EXPECT_FALSE(line_chart(chart).empty());
    chart.values = one;
    EXPECT_FALSE(line_chart(chart).empty());
    chart.values = {};
    EXPECT_TRUE(line_chart(chart).empty());
}

} // namespace
} // namespace poolkd::render
