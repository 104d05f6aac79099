#include "render/trend.h"

#include "render/coverage.h"
#include "render/evidence_head.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace poolkd::render {

namespace {

using hunt::TagTrend;

constexpr std::size_t trend_spark_width = 30;
constexpr std::size_t shown_restarts = 5;

double order_value(const TagTrend& tag, TrendSort sort) {
    return sort == TrendSort::bytes ? tag.last : tag.gained;
}

std::string table_text(const std::vector<const TagTrend*>& tags, ChartStyle style) {
    using enum TextTable::Align;
    TextTable table({{"Tag", left},
                     {"Pool", left},
                     {"First"},
                     {"Last"},
                     {"Least"},
                     {"Most"},
                     {"Gained"},
                     {"Per hour"},
                     {"Course", left}},
                    text_width);
    for (const TagTrend* tag : tags)
        table.add({tag->key.tag.text(), std::string(hunt::to_text(tag->key.kind)), size_text(tag->first),
                   size_text(tag->last), size_text(tag->least), size_text(tag->most), change_text(tag->gained),
                   tag->bytes_per_hour ? change_text(*tag->bytes_per_hour) : "-",
                   sparkline(tag->points, trend_spark_width, style)});
    return table.text();
}

/// One line under the tables: where in the courses the machine was restarted.
std::string restarts_text(const hunt::Trend& trend, ChartStyle style) {
    if (trend.restarted_at.empty()) return {};
    std::string places;
    for (std::size_t i = 0; i < trend.restarted_at.size() && i < shown_restarts; ++i)
        places += (i != 0 ? ", " : "") + percent_text(trend.restarted_at[i]);
    if (trend.restarted_at.size() > shown_restarts) places += ", ...";
    return fmt::format(
        "Restarted at {} of the course ({} in charts); gained and per hour are since the last restart.\n", places,
        style == ChartStyle::unicode ? "┊" : ":");
}

std::string chart_text(const hunt::Trend& trend, const TagTrend& tag, ChartStyle style) {
    LineChart chart;
    chart.values = tag.points;
    chart.marks = trend.restarted_at;
    chart.left = trend.first ? time_text(*trend.first) : "first";
    chart.right = trend.last ? time_text(*trend.last) + " UTC" : "last";
    chart.label = size_text;
    chart.width = text_width;
    chart.style = style;
    const std::string title = fmt::format("{} ({})", tag_word(tag.key.tag), pool_word(tag.key.kind));
    return fmt::format("\n{}\n{}", title, line_chart(chart));
}

nlohmann::json json_points(const std::vector<double>& points) {
    nlohmann::json json = nlohmann::json::array();
    for (double point : points)
        json.push_back(std::isnan(point) ? nlohmann::json() : nlohmann::json(std::llround(point)));
    return json;
}

/// When the n-th point is.
hunt::Time time_of(const hunt::Trend& trend, double place) {
    const auto span = static_cast<double>((*trend.last - *trend.first).count());
    return *trend.first + std::chrono::milliseconds(std::llround(span * place));
}

} // namespace

std::vector<const TagTrend*> select_trends(const hunt::Trend& trend, const TrendView& view) {
    std::vector<const TagTrend*> tags;
    tags.reserve(trend.tags.size());
    for (const TagTrend& tag : trend.tags)
        tags.push_back(&tag);
    if (view.sort != TrendSort::name)
        std::ranges::sort(tags, [&](const TagTrend* a, const TagTrend* b) {
            const double x = order_value(*a, view.sort), y = order_value(*b, view.sort);
            return x != y ? x > y : a->key < b->key;
        });
    if (view.rows != 0 && tags.size() > view.rows) tags.resize(view.rows);
    return tags;
}

std::string trend_text(const hunt::Trend& trend, const TrendView& view, const std::vector<std::string>& notes) {
    const std::vector<const TagTrend*> tags = select_trends(trend, view);
    std::string text = head_text(trend) + "\n";
    if (tags.empty()) {
        text += fmt::format("None of the {} tags matches (case matters).\n", trend.tags_total);
    } else {
        text += table_text(tags, view.style) + restarts_text(trend, view.style);
        if (const std::size_t rest = trend.tags.size() - tags.size(); rest != 0)
            text += fmt::format("{} more tag{} (--top).\n", rest, rest == 1 ? "" : "s");
    }
    if (tags.size() <= TrendView::most_charts && trend.snapshots > 1)
        for (const TagTrend* tag : tags)
            text += chart_text(trend, *tag, view.style);
    if (!notes.empty() || !trend.coverage.complete()) text += "\nNotes:\n";
    for (const std::string& note : notes)
        text += wrapped(note, text_width, "  - ", "    ");
    if (!trend.coverage.complete()) text += wrapped(trend.coverage.sentence(), text_width, "  - ", "    ");
    return text;
}

nlohmann::json trend_json(const hunt::Trend& trend, const TrendView& view, const std::vector<std::string>& notes) {
    nlohmann::json json{{"command", "trend"},
                        {"tags_total", trend.tags_total},
                        {"times", nullptr},
                        {"restarted", nullptr},
                        {"tags", nlohmann::json::array()},
                        {"notes", notes},
                        {"coverage", to_json(trend.coverage)}};
    add_head_json(json, trend);
    if (trend.first && trend.last) {
        json["times"] = nlohmann::json::array();
        for (std::size_t i = 0; i < trend.points; ++i)
            json["times"].push_back(iso_time(
                time_of(trend, trend.points > 1 ? static_cast<double>(i) / static_cast<double>(trend.points - 1) : 1)));
        json["restarted"] = nlohmann::json::array();
        for (double at : trend.restarted_at)
            json["restarted"].push_back(iso_time(time_of(trend, at)));
    }
    for (const TagTrend* tag : select_trends(trend, view))
        json["tags"].push_back({{"tag", tag->key.tag.text()},
                                {"value", tag->key.tag.value},
                                {"type", hunt::to_text(tag->key.kind)},
                                {"samples", tag->samples},
                                {"first", std::llround(tag->first)},
                                {"last", std::llround(tag->last)},
                                {"min", std::llround(tag->least)},
                                {"max", std::llround(tag->most)},
                                {"first_blocks", std::llround(tag->first_blocks)},
                                {"last_blocks", std::llround(tag->last_blocks)},
                                {"gained", std::llround(tag->gained)},
                                {"gained_blocks", std::llround(tag->gained_blocks)},
                                {"bytes_per_hour", json_optional(tag->bytes_per_hour)},
                                {"points", json_points(tag->points)}});
    return json;
}

} // namespace poolkd::render
