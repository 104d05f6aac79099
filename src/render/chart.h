#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace poolkd::render {

enum class ChartStyle {
    unicode, ///< block and braille characters
    ascii,
};

/// Values, evenly in time, as one line of at most `width` characters. A value that is not known (NaN) is a blank. The
/// range shown is that of the values, but at least a twentieth of the largest: what hardly moves looks so.
[[nodiscard]] std::string sparkline(std::span<const double> values, std::size_t width, ChartStyle style);

struct LineChart {
    std::span<const double> values;           ///< evenly in time; NaN: not known
    std::vector<double> marks;                ///< places of restarts, 0 (left) to 1 (right)
    std::string left, right;                  ///< what stands below the ends
    std::function<std::string(double)> label; ///< of a value
    std::size_t width = 100, height = 10;     ///< of the whole and of the drawing, in characters
    ChartStyle style = ChartStyle::unicode;
};

/// A drawing with axes, each line ended by a newline; empty when no value is known.
[[nodiscard]] std::string line_chart(const LineChart& chart);

} // namespace poolkd::render
