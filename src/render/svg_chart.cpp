#include "render/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace poolkd::render {

namespace {

constexpr double svg_width = 600, svg_height = 160;
constexpr double least_svg_range = 0.05; ///< of the largest value: what hardly moves looks so

/// "M0 10L5 8…": a line, broken where values are not known. A lone value is a short dash.
std::string path_of(std::span<const double> values, ChartRange range, double width, double height) {
    std::string path;
    const double step = values.size() > 1 ? width / static_cast<double>(values.size() - 1) : width;
    bool down = false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!std::isfinite(values[i])) {
            down = false;
            continue;
        }
        const double x = step * static_cast<double>(i);
        const double part = std::clamp((values[i] - range.low) / (range.high - range.low), 0.0, 1.0);
        path += fmt::format("{}{:.1f} {:.1f}", down ? "L" : "M", x, height * (1 - part));
        const bool alone = !down && (i + 1 == values.size() || !std::isfinite(values[i + 1]));
        if (alone) path += values.size() == 1 ? fmt::format("h{:.1f}", width) : "h2";
        down = true;
    }
    return path;
}

} // namespace

std::optional<ChartRange> chart_range(std::span<const SvgLine> lines) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const SvgLine& line : lines)
        for (double value : line.values)
            if (std::isfinite(value)) {
                low = std::min(low, value);
                high = std::max(high, value);
            }
    if (low > high) return std::nullopt;
    if (low >= 0 && low < high / 2) low = 0;
    const double least = std::max(least_svg_range * std::abs(high), 1.0);
    if (high - low < least) {
        const double middle = (high + low) / 2;
        low = low >= 0 ? std::max(0.0, middle - least / 2) : middle - least / 2;
        high = low + least;
    }
    return ChartRange{low, high};
}

std::string svg_lines(std::span<const SvgLine> lines, ChartRange range, std::string_view label) {
    std::string out = fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img")"
                                  R"( aria-label="{}">)",
                                  svg_width, svg_height, label);
    for (double part : {0.0, 0.5, 1.0})
        out += fmt::format(R"(<path class="grid" d="M0 {0}H{1}"/>)", svg_height * part, svg_width);
    for (const SvgLine& line : lines)
        out += fmt::format(R"(<path class="line {}" d="{}"/>)", line.style,
                           path_of(line.values, range, svg_width, svg_height));
    return out + "</svg>";
}

std::string svg_spark(std::span<const double> values) {
    const SvgLine line{values, {}};
    const std::optional<ChartRange> range = chart_range({&line, 1});
    if (!range) return {};
    return fmt::format(R"(<svg class="spark" viewBox="0 -1 100 22" preserveAspectRatio="none" aria-hidden="true">)"
                       R"(<path class="line" d="{}"/></svg>)",
                       path_of(values, *range, 100, 20));
}

std::string svg_bar(double part) {
    const double width = std::isfinite(part) ? std::clamp(part, 0.0, 1.0) * 100 : 0;
    return fmt::format(R"(<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">)"
                       R"(<rect width="{:.1f}" height="1"/></svg>)",
                       width);
}

} // namespace poolkd::render
