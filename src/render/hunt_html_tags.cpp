#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/quantity.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

/// A cell that shows a text and sorts by a number. What is not known sorts last.
std::string number_cell(const std::optional<double>& value, const std::string& text) {
    if (!value) return "<td>-";
    return fmt::format("<td data-v=\"{:.6g}\">{}", *value, text);
}

std::string tag_row(const hunt::TagVerdict& row) {
    const hunt::Figures& figures = row.figures;
    const auto bytes = static_cast<double>(figures.bytes);
    const std::optional<double> gained =
        figures.samples >= 2 ? std::optional(static_cast<double>(figures.bytes_gained)) : std::nullopt;
    const bool judged = row.verdict != hunt::Verdict::undecided;
    std::string who = row.binary.empty() ? html_text(row.description) : html_text(row.binary);
    if (!row.binary.empty() && !row.description.empty()) who += "<br><small>" + html_text(row.description) + "</small>";
    return fmt::format("<tr><td>{}<td>{}<td>{}", html_tag_name(row.key.tag), hunt::to_text(row.key.kind),
                       hunt::to_text(row.verdict)) +
           number_cell(judged ? std::optional(row.confidence) : std::nullopt, percent_text(row.confidence)) +
           number_cell(bytes, size_text(bytes)) +
           number_cell(static_cast<double>(figures.blocks), count_text(figures.blocks)) +
           number_cell(gained, change_text(gained.value_or(0))) +
           number_cell(figures.bytes_per_hour, change_text(figures.bytes_per_hour.value_or(0))) +
           number_cell(figures.freed_share, percent_text(figures.freed_share.value_or(0))) + "<td>" + who + "\n";
}

} // namespace

std::string html_tags(const hunt::HuntReport& report) {
    std::vector<bool> suspected(report.verdict.rows.size());
    for (const hunt::Suspect& suspect : report.suspects)
        if (suspect.row < suspected.size()) suspected[suspect.row] = true;
    std::string rows;
    std::size_t count = 0;
    for (std::size_t i = 0; i < report.verdict.rows.size(); ++i) {
        if (suspected[i]) continue;
        rows += tag_row(report.verdict.rows[i]);
        ++count;
    }
    if (count == 0) return {};
    return fmt::format(
        "<details class=\"tags\"><summary>{} tag{} that {} not suspected</summary><table class=\"tags\">"
        "<thead><tr><th>Tag<th>Pool<th>Verdict<th>Sure<th>In use<th>Blocks<th>Gained<th>Per hour<th>Freed"
        "<th>Driver</tr></thead><tbody>\n{}</tbody></table></details>",
        count_text(static_cast<std::int64_t>(count)), count == 1 ? "" : "s", count == 1 ? "is" : "are", rows);
}

} // namespace poolkd::render
