#include "render/chart.h"

#include "render/table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace poolkd::render {

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
constexpr double least_range = 0.05; ///< of the largest value

struct Range {
    double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
    void add(double value) {
        if (std::isnan(value)) return;
        low = std::min(low, value);
        high = std::max(high, value);
    }
    [[nodiscard]] bool empty() const { return low > high; }
};

Range range_of(std::span<const double> values) {
    Range range;
    for (double value : values)
        range.add(value);
    return range;
}

/// Means of as many groups of neighbours; values themselves when there are not more of them.
std::vector<double> means(std::span<const double> values, std::size_t groups) {
    if (values.size() <= groups) return {values.begin(), values.end()};
    std::vector<double> out;
    for (std::size_t g = 0; g < groups; ++g) {
        double sum = 0;
        std::size_t known = 0;
        for (std::size_t i = g * values.size() / groups; i < (g + 1) * values.size() / groups; ++i)
            if (!std::isnan(values[i])) {
                sum += values[i];
                ++known;
            }
        out.push_back(known != 0 ? sum / static_cast<double>(known) : unknown);
    }
    return out;
}

/// The dots of a drawing: a character holds `across` times `down` of them.
class Canvas {
  public:
    Canvas(std::size_t width, std::size_t height, ChartStyle style)
        : style_(style), across_(style == ChartStyle::unicode ? 2 : 1), down_(style == ChartStyle::unicode ? 4 : 1),
          width_(width), dots_(width * across_ * height * down_) {}

    [[nodiscard]] std::size_t columns() const { return width_ * across_; }
    [[nodiscard]] std::size_t rows() const { return dots_.size() / columns(); }
    /// `row` counts from the bottom.
    void set(std::size_t column, std::size_t row) { dots_[(rows() - 1 - row) * columns() + column] = true; }

    [[nodiscard]] std::string cell(std::size_t column, std::size_t line, std::string_view empty) const {
        // Braille numbers its dots down the left side, then the right one; the last row came later.
        constexpr unsigned bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
        unsigned pattern = 0;
        for (std::size_t y = 0; y < down_; ++y)
            for (std::size_t x = 0; x < across_; ++x)
                if (dots_[(line * down_ + y) * columns() + column * across_ + x]) pattern |= bits[y][x];
        if (pattern == 0) return std::string(empty);
        if (style_ == ChartStyle::ascii) return "*";
        const unsigned code = 0x2800 + pattern;
        return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
                static_cast<char>(0x80 | (code & 0x3f))};
    }

  private:
    ChartStyle style_;
    std::size_t across_, down_, width_;
    std::vector<bool> dots_;
};

/// The value at a place of the drawing, 0 to 1: on the line between its neighbours.
double value_at(std::span<const double> values, double place) {
    const double at = place * static_cast<double>(values.size() - 1);
    const auto left = static_cast<std::size_t>(at);
    const std::size_t right = std::min(left + 1, values.size() - 1);
    const double part = at - static_cast<double>(left);
    // Beside a value that is not known, the known one stands as long as it is nearer.
    if (std::isnan(values[left]) || std::isnan(values[right])) return part < 0.5 ? values[left] : values[right];
    return values[left] + (values[right] - values[left]) * part;
}

void draw(Canvas& canvas, std::span<const double> values, Range range) {
    std::optional<std::size_t> previous;
    for (std::size_t column = 0; column < canvas.columns(); ++column) {
        const double value = value_at(values, static_cast<double>(column) /
                                                  static_cast<double>(std::max<std::size_t>(canvas.columns() - 1, 1)));
        if (std::isnan(value)) {
            previous.reset();
            continue;
        }
        const double part = (value - range.low) / (range.high - range.low);
        const auto row = static_cast<std::size_t>(std::lround(part * static_cast<double>(canvas.rows() - 1)));
        // A steep line has no holes: it covers what lies between this dot and the one before.
        const std::size_t from = !previous         ? row
                                 : *previous < row ? *previous + 1
                                 : *previous > row ? *previous - 1
                                                   : row;
        for (std::size_t y = std::min(from, row); y <= std::max(from, row); ++y)
            canvas.set(column, y);
        previous = row;
    }
}

struct Frame {
    std::string_view side, tick, corner, floor, mark, floor_mark;
};
constexpr Frame unicode_frame{" │", " ┤", " └", "─", "┊", "┴"};
constexpr Frame ascii_frame{" |", " +", " +", "-", ":", "^"};

} // namespace

std::string sparkline(std::span<const double> values, std::size_t width, ChartStyle style) {
    constexpr std::array<std::string_view, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::array<std::string_view, 8> ascii{"_", ".", "-", ":", "=", "+", "*", "#"};
    const std::vector<double> points = means(values, width);
    const Range range = range_of(points);
    if (range.empty()) return std::string(points.size(), ' ');
    const double height = std::max(range.high - range.low, least_range * std::abs(range.high));
    std::string text;
    for (double value : points) {
        if (std::isnan(value)) {
            text += ' ';
            continue;
        }
        const double part = height > 0 ? (value - range.low) / height : 0;
        const auto level = std::min<std::size_t>(static_cast<std::size_t>(part * 8), 7);
        text += style == ChartStyle::unicode ? blocks[level] : ascii[level];
    }
    return text;
}

std::string line_chart(const LineChart& chart) {
    Range range = range_of(chart.values);
    if (range.empty() || chart.height < 2) return {};
    if (range.high - range.low < least_range * std::abs(range.high) || range.high == range.low) {
        const double margin = std::max(least_range / 2 * std::abs(range.high), 1.0);
        // Nothing holds less than nothing: a range that began at 0 goes on doing so.
        range.low = range.low >= 0 ? std::max(0.0, range.low - margin) : range.low - margin;
        range.high += margin;
    }
    const std::size_t middle = chart.height / 2;
    auto label_of = [&](std::size_t line) -> std::string {
        if (line != 0 && line != middle && line + 1 != chart.height) return {};
        const double part = static_cast<double>(chart.height - 1 - line) / static_cast<double>(chart.height - 1);
        return chart.label(range.low + (range.high - range.low) * part);
    };
    std::size_t label_width = 0;
    for (std::size_t line = 0; line < chart.height; ++line)
        label_width = std::max(label_width, display_width(label_of(line)));
    const std::size_t edge = label_width + 2;
    const std::size_t width = std::max<std::size_t>(chart.width > edge ? chart.width - edge : 0, 10);

    Canvas canvas(width, chart.height, chart.style);
    draw(canvas, chart.values, range);
    std::vector<bool> marked(width);
    for (double mark : chart.marks)
        marked[std::min(static_cast<std::size_t>(std::clamp(mark, 0.0, 1.0) * static_cast<double>(width)), width - 1)] =
            true;

    const Frame& frame = chart.style == ChartStyle::unicode ? unicode_frame : ascii_frame;
    std::string text;
    for (std::size_t line = 0; line < chart.height; ++line) {
        const std::string label = label_of(line);
        std::string drawn;
        for (std::size_t column = 0; column < width; ++column)
            drawn += canvas.cell(column, line, marked[column] ? frame.mark : " ");
        drawn.erase(drawn.find_last_not_of(' ') + 1);
        text += std::string(label_width - display_width(label), ' ') + label;
        text += std::string(label.empty() ? frame.side : frame.tick) + drawn + "\n";
    }
    text += std::string(label_width, ' ') + std::string(frame.corner);
    for (std::size_t column = 0; column < width; ++column)
        text += marked[column] ? frame.floor_mark : frame.floor;
    const std::size_t ends = display_width(chart.left) + display_width(chart.right);
    text += "\n" + std::string(edge, ' ') + chart.left + std::string(width > ends ? width - ends : 1, ' ') +
            chart.right + "\n";
    return text;
}

} // namespace poolkd::render
