#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::render {

/// The least and the greatest value that a chart shows. Memory is drawn from 0 on unless all of it is far above: then
/// the growth could not be seen.
struct ChartRange {
    double low = 0, high = 1;
};

struct SvgLine {
    std::span<const double> values; ///< evenly in time; NaN: not known
    std::string_view style;         ///< class of the line
};

/// The range of all values together; nothing when none is known.
[[nodiscard]] std::optional<ChartRange> chart_range(std::span<const SvgLine> lines);

/// The lines as an SVG element of class `chart` that fills whatever box it is given; its labels stand outside, so that
/// they stay readable in a narrow one. `label` is for those who cannot see it, HTML already.
[[nodiscard]] std::string svg_lines(std::span<const SvgLine> lines, ChartRange range, std::string_view label);

/// A small line without axes, of class `spark`; empty when no value is known.
[[nodiscard]] std::string svg_spark(std::span<const double> values);

/// A bar of class `bar`, filled to a part, 0 to 1.
[[nodiscard]] std::string svg_bar(double part);

} // namespace poolkd::render
