#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/hunt_json.h"
#include "render/quantity.h"
#include "render/svg_chart.h"

#include <fmt/format.h>

#include <array>

namespace poolkd::render {

namespace {

constexpr std::array<std::string_view, report_lines> line_styles{"l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"};

} // namespace

std::string html_growth(const hunt::HuntReport& report) {
    std::vector<SvgLine> lines;
    std::string legend;
    std::size_t left_out = 0;
    for (std::size_t i = 0; i < report.suspects.size(); ++i) {
        const hunt::TagVerdict* row = verdict_of(report, report.suspects[i]);
        if (!row || row->chart.size() < 2) continue;
        if (lines.size() == line_styles.size()) {
            ++left_out;
            continue;
        }
        const std::string_view style = line_styles[lines.size()];
        lines.push_back({row->chart, style});
        legend += fmt::format(
            R"(<li class="{}" data-suspect="{}"><span class="swatch"></span>{}<span class="value">{}</span></li>)",
            style, i, html_tag(*row), size_text(static_cast<double>(row->figures.bytes)));
    }
    const std::optional<ChartRange> range = chart_range(lines);
    if (!range) return {};
    const hunt::Report& verdict = report.verdict;
    std::string text = fmt::format(
        R"(<figure class="growth"><div class="plot"><div class="y"><span>{}</span><span>{}</span><span>{}</span></div>{}</div>)"
        R"(<div class="x"><span>{}</span><span>{}</span></div><figcaption>Bytes in use over the evidence)"
        R"(<ul class="legend">{}</ul></figcaption></figure>)",
        size_text(range->high), size_text((range->low + range->high) / 2), size_text(range->low),
        svg_lines(lines, *range, "Bytes in use of the suspects over the evidence"),
        verdict.first ? time_text(*verdict.first) : "start", verdict.last ? time_text(*verdict.last) : "end", legend);
    if (left_out != 0)
        text += html_paragraph(fmt::format("{} more suspects have their course beside their name.", left_out));
    return html_section("growth", "Growth", text);
}

} // namespace poolkd::render
