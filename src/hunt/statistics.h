#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace poolkd::hunt {

/// The value below which `part` (0 to 1) of the values lie; 0 of none. Reorders `values`.
[[nodiscard]] double quantile(std::vector<double>& values, double part);

struct MeanSpread {
    double mean = 0;
    double deviation = 0; ///< standard deviation, of n - 1
};
[[nodiscard]] MeanSpread mean_spread(std::span<const double> values);

/// The least-squares line through points.
struct Line {
    double slope = 0;
    double rest = 0;     ///< deviation of the values from the line, of n - 2; 0 of fewer than three
    double spread_x = 0; ///< sum of squares of x about its mean: the slope's error is rest over its root
};
[[nodiscard]] Line fit_line(std::span<const double> x, std::span<const double> y);
/// The same with the numbers 0, 1, 2, … for x.
[[nodiscard]] Line fit_line(std::span<const double> y);

/// Median of the slopes between all pairs of points (Theil 1950, Sen 1968): up to 29 % of wild points do not move it.
/// Of more than `most` points, as many are taken evenly: the cost is bounded by their square.
[[nodiscard]] double theil_sen(std::span<const double> x, std::span<const double> y, std::size_t most = 96);

/// One-sided chance that values without a trend rise as these do: Mann–Kendall's test, its variance widened for ties
/// and for the correlation of neighbours (Hamed and Rao 1998, first lag).
[[nodiscard]] double rising_chance(std::span<const double> values);

/// One-sided chance of a mean this far above zero when the true mean is zero: Student's t of the values. Their
/// deviation is taken as `least_deviation` where it comes out smaller: few values can be alike by chance.
[[nodiscard]] double positive_mean_chance(std::span<const double> values, double least_deviation = 0);

/// P(T >= t) for Student's distribution with `freedom` degrees.
[[nodiscard]] double student_tail(double t, double freedom);

/// Correlation of neighbours after the straight line through the values is taken off; 0 of fewer than four.
[[nodiscard]] double neighbour_correlation(std::span<const double> values);

/// Pearson's correlation; 0 when one of the two does not vary.
[[nodiscard]] double correlation(std::span<const double> a, std::span<const double> b);

} // namespace poolkd::hunt
