#include "hunt/statistics.h"

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

namespace {

/// Regularised incomplete beta function by its continued fraction (Lentz's method; Numerical methods texts,
/// DLMF 8.17.22).
double incomplete_beta(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    // The fraction converges fast below this point; above it the mirrored one does.
    if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(b, a, 1 - x);
    const double front =
        std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x)) / a;
    constexpr double tiny = 1e-300;
    constexpr int most_terms = 300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (std::abs(d) < tiny ? tiny : d);
    double fraction = d;
    for (int m = 1; m <= most_terms; ++m) {
        for (double term : {m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))}) {
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (std::abs(d) < tiny ? tiny : d);
            if (std::abs(c) < tiny) c = tiny;
            fraction *= c * d;
        }
        if (std::abs(c * d - 1) < 1e-12) break;
    }
    return front * fraction;
}

double normal_tail(double z) {
    return 0.5 * std::erfc(z / std::sqrt(2.0));
}

} // namespace

double quantile(std::vector<double>& values, double part) {
    if (values.empty()) return 0;
    auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1) + 0.5);
    std::ranges::nth_element(values, at);
    return *at;
}

MeanSpread mean_spread(std::span<const double> values) {
    MeanSpread result;
    if (values.empty()) return result;
    const auto count = static_cast<double>(values.size());
    for (double v : values)
        result.mean += v / count;
    if (values.size() < 2) return result;
    double squares = 0;
    for (double v : values)
        squares += (v - result.mean) * (v - result.mean);
    result.deviation = std::sqrt(squares / (count - 1));
    return result;
}

Line fit_line(std::span<const double> x, std::span<const double> y) {
    Line line;
    const std::size_t n = std::min(x.size(), y.size());
    const double mean_x = mean_spread(x.first(n)).mean, mean_y = mean_spread(y.first(n)).mean;
    double xy = 0, yy = 0;
    for (std::size_t i = 0; i < n; ++i) {
        line.spread_x += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    if (line.spread_x <= 0) return line;
    line.slope = xy / line.spread_x;
    if (n > 2) line.rest = std::sqrt(std::max(0.0, yy - xy * line.slope) / static_cast<double>(n - 2));
    return line;
}

Line fit_line(std::span<const double> y) {
    std::vector<double> numbers(y.size());
    for (std::size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = static_cast<double>(i);
    return fit_line(numbers, y);
}

double theil_sen(std::span<const double> x, std::span<const double> y, std::size_t most) {
    const std::size_t count = std::min(x.size(), most);
    if (count < 2) return 0;
    auto pick = [&](std::size_t i) { return i * (x.size() - 1) / (count - 1); };
    std::vector<double> slopes;
    slopes.reserve(count * (count - 1) / 2);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = i + 1; j < count; ++j)
            if (double step = x[pick(j)] - x[pick(i)]; step > 0) slopes.push_back((y[pick(j)] - y[pick(i)]) / step);
    return quantile(slopes, 0.5);
}

double neighbour_correlation(std::span<const double> values) {
    const std::size_t n = values.size();
    if (n < 4) return 0;
    const double middle = static_cast<double>(n - 1) / 2;
    const double mean = mean_spread(values).mean;
    double along = 0, squares_x = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = static_cast<double>(i) - middle;
        along += x * (values[i] - mean);
        squares_x += x * x;
    }
    auto rest = [&](std::size_t i) { return values[i] - mean - along / squares_x * (static_cast<double>(i) - middle); };
    double together = 0, squares = 0, all = 0;
    for (std::size_t i = 0; i < n; ++i) {
        all += (values[i] - mean) * (values[i] - mean);
        squares += rest(i) * rest(i);
        if (i != 0) together += rest(i) * rest(i - 1);
    }
    // What a straight line leaves over are rounding errors, and these do go together.
    return squares > 1e-18 * all ? together / squares : 0;
}

double rising_chance(std::span<const double> values) {
    const std::size_t n = values.size();
    if (n < 3) return 1;
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = i + 1; j < n; ++j)
            sum += (values[j] > values[i]) - (values[j] < values[i]);
    std::vector<double> sorted(values.begin(), values.end());
    std::ranges::sort(sorted);
    const auto count = static_cast<double>(n);
    double variance = count * (count - 1) * (2 * count + 5);
    for (std::size_t i = 0; i < n;) {
        std::size_t end = i;
        while (end < n && sorted[end] == sorted[i])
            ++end;
        const auto ties = static_cast<double>(end - i);
        variance -= ties * (ties - 1) * (2 * ties + 5);
        i = end;
    }
    variance /= 18;
    if (variance <= 0) return 1;
    const double together = std::clamp(neighbour_correlation(values), 0.0, 0.9);
    variance *= (1 + together) / (1 - together);
    const double shifted = sum > 0 ? sum - 1 : sum < 0 ? sum + 1 : 0;
    return normal_tail(shifted / std::sqrt(variance));
}

double student_tail(double t, double freedom) {
    const double half = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
    return t >= 0 ? half : 1 - half;
}

double positive_mean_chance(std::span<const double> values, double least_deviation) {
    if (values.size() < 2) return 1;
    MeanSpread spread = mean_spread(values);
    spread.deviation = std::max(spread.deviation, least_deviation);
    if (spread.deviation <= 0) return spread.mean > 0 ? 0 : 1;
    const auto count = static_cast<double>(values.size());
    return student_tail(spread.mean / spread.deviation * std::sqrt(count), count - 1);
}

double correlation(std::span<const double> a, std::span<const double> b) {
    const std::size_t n = std::min(a.size(), b.size());
    const double mean_a = mean_spread(a.first(n)).mean, mean_b = mean_spread(b.first(n)).mean;
    double together = 0, squares_a = 0, squares_b = 0;
    for (std::size_t i = 0; i < n; ++i) {
        together += (a[i] - mean_a) * (b[i] - mean_b);
        squares_a += (a[i] - mean_a) * (a[i] - mean_a);
        squares_b += (b[i] - mean_b) * (b[i] - mean_b);
    }
    if (squares_a <= 0 || squares_b <= 0) return 0;
    return together / std::sqrt(squares_a * squares_b);
}

} // namespace poolkd::hunt
