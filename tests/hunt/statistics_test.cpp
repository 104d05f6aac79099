#include "hunt/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace poolkd::hunt {
namespace {

std::vector<double> line(std::size_t n, double start, double slope) {
    std::vector<double> values;
    for (std::size_t i = 0; i < n; ++i)
        values.push_back(start + slope * static_cast<double>(i));
    return values;
}

TEST(Statistics, QuantileOfFewAndMany) {
    std::vector<double> none, one{7}, many{5, 1, 4, 2, 3};
    EXPECT_EQ(quantile(none, 0.5), 0);
    EXPECT_EQ(quantile(one, 0.9), 7);
    EXPECT_EQ(quantile(many, 0), 1);
    EXPECT_EQ(quantile(many, 0.5), 3);
    EXPECT_EQ(quantile(many, 1), 5);
}

TEST(Statistics, TheilSenIgnoresWildPoints) {
    auto x = line(40, 0, 1), y = line(40, 100, 2.5);
    for (std::size_t i = 0; i < 40; i += 5)
        y[i] += 1e6; // 20 %
    EXPECT_NEAR(theil_sen(x, y), 2.5, 1e-9);
}

TEST(Statistics, TheilSenOfASampleIsThatOfAll) {
    auto x = line(5000, 0, 1), y = line(5000, 3, 0.25);
    EXPECT_NEAR(theil_sen(x, y, 50), theil_sen(x, y, 5000), 1e-9);
}

TEST(Statistics, TheilSenOfOneTimeIsZero) {
    std::vector<double> x{1, 1, 1}, y{1, 2, 3};
    EXPECT_EQ(theil_sen(x, y), 0);
}

// Values of printed tables of Student's distribution.
TEST(Statistics, StudentTail) {
    EXPECT_NEAR(student_tail(0, 5), 0.5, 1e-12);
    EXPECT_NEAR(student_tail(2.015, 5), 0.05, 1e-4);
    EXPECT_NEAR(student_tail(4.587, 10), 0.0005, 1e-6);
    EXPECT_NEAR(student_tail(-2.015, 5), 0.95, 1e-4);
    EXPECT_NEAR(student_tail(1.96, 1e6), 0.025, 1e-4);
    EXPECT_LT(student_tail(50, 20), 1e-20);
}

TEST(Statistics, MeanChanceCountsEvenSteps) {
    EXPECT_EQ(positive_mean_chance(std::vector<double>{3, 3, 3, 3}), 0);
    EXPECT_EQ(positive_mean_chance(std::vector<double>{0, 0, 0}), 1);
    EXPECT_EQ(positive_mean_chance(std::vector<double>{5}), 1);
    EXPECT_GT(positive_mean_chance(std::vector<double>{10, -8, 9, -9, 2}), 0.2);
}

TEST(Statistics, RisingChance) {
    EXPECT_LT(rising_chance(line(20, 0, 1)), 1e-3);
    EXPECT_GT(rising_chance(line(20, 0, -1)), 0.999);
    EXPECT_EQ(rising_chance(std::vector<double>(20, 4)), 1);
    EXPECT_EQ(rising_chance(std::vector<double>{1, 2}), 1);
}

// Without a trend the chances must come out about as often as they say, for steady noise and for neighbours that go
// together.
TEST(Statistics, RisingChanceIsAChance) {
    std::mt19937 dice(1);
    std::normal_distribution<double> normal;
    for (double keep : {0.0, 0.6}) {
        int low = 0;
        for (int round = 0; round < 1000; ++round) {
            std::vector<double> values;
            double state = 0;
            for (int i = 0; i < 24; ++i)
                values.push_back(state = keep * state + normal(dice));
            low += rising_chance(values) < 0.05;
        }
        EXPECT_LT(low, keep == 0 ? 75 : 170) << keep;
    }
}

TEST(Statistics, Correlations) {
    auto a = line(10, 0, 1);
    std::vector<double> zigzag{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, still(10, 3);
    EXPECT_NEAR(correlation(a, line(10, 5, 2)), 1, 1e-12);
    EXPECT_NEAR(correlation(a, line(10, 5, -2)), -1, 1e-12);
    EXPECT_EQ(correlation(a, still), 0);
    EXPECT_LT(neighbour_correlation(zigzag), -0.7);
    EXPECT_EQ(neighbour_correlation(line(10, 1, 3)), 0);
}

} // namespace
} // namespace poolkd::hunt
