#include "render/hunt_html.h"

#include "base/duration.h"
#include "render/evidence_head.h"
#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/hunt_json.h"
#include "render/quantity.h"
#include "render/report_page.h"
#include "render/verdict_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

std::string title_of(const hunt::HuntReport& report) {
    return report.title.empty() ? headline(report.verdict) : report.title;
}

std::string time_fact(const hunt::Report& verdict) {
    if (!verdict.last) return {};
    std::string text = time_text(*verdict.last);
    if (verdict.first && *verdict.first != *verdict.last)
        text = time_text(*verdict.first) + " to " + text + ", " + hours_text(*span_hours(verdict));
    return text + (verdict.times_assumed ? " (UTC, assumed)" : " (UTC)");
}

std::string evidence_fact(const hunt::Report& verdict) {
    std::string text;
    for (const std::string& one : verdict.evidence)
        text += (text.empty() ? "" : ", ") + one;
    if (verdict.snapshots != 0)
        text +=
            fmt::format("{}{} snapshot{}", text.empty() ? "" : ": ",
                        count_text(static_cast<std::int64_t>(verdict.snapshots)), verdict.snapshots == 1 ? "" : "s");
    return text;
}

std::string facts_html(const hunt::HuntReport& report) {
    std::string facts;
    auto add = [&](std::string_view name, const std::string& text) {
        if (!text.empty()) facts += html_fact(name, html_text(text));
    };
    add("Target", report.target);
    add("Machine", report.verdict.machine);
    add("Evidence", evidence_fact(report.verdict));
    add("Time", time_fact(report.verdict));
    if (report.verdict.uptime)
        add("Up for", hours_text(std::chrono::duration<double, std::ratio<3600>>(*report.verdict.uptime).count()));
    if (report.took.count() > 0) add("Hunt took", duration_text(report.took));
    if (!report.signature.empty())
        facts += html_fact("Signature", R"(<span class="copy">)" + html_code(report.signature) + "</span>");
    return facts.empty() ? facts : "<dl class=\"facts\">" + facts + "</dl>";
}

/// The answer in four words.
std::string headline_html(const hunt::HuntReport& report) {
    if (report.suspects.empty()) return {};
    const hunt::Suspect& worst = report.suspects.front();
    const hunt::TagVerdict* row = verdict_of(report, worst);
    return "<dl class=\"headline\">" + html_fact("Tag", row ? html_tag(*row) : "?") +
           html_fact("Driver", html_owner(report, worst)) + html_fact("Call site", html_accused(worst)) +
           html_fact("Confidence", html_confidence(worst.confidence)) + "</dl>";
}

/// All suspects in a table, each with a link to its section.
std::string overview_html(const hunt::HuntReport& report) {
    if (report.suspects.size() < 2) return {};
    std::string rows;
    for (std::size_t i = 0; i < report.suspects.size(); ++i) {
        const hunt::Suspect& suspect = report.suspects[i];
        const hunt::TagVerdict* row = verdict_of(report, suspect);
        rows += fmt::format(R"(<tr><th scope="row"><a href="#suspect-{}">{}</a></th><td>{}</td><td>{}</td>)"
                            R"(<td class="number">{}</td><td class="number">{}</td><td class="number">{}</td></tr>)",
                            i + 1, row ? html_tag_name(row->key.tag) : "?", html_owner(report, suspect),
                            html_accused(suspect), row ? size_text(static_cast<double>(row->figures.bytes)) : "",
                            row && row->figures.bytes_per_hour ? change_text(*row->figures.bytes_per_hour) : "-",
                            percent_text(suspect.confidence));
    }
    return html_section("suspects", "Suspects",
                        R"(<table class="overview"><thead><tr><th>Tag<th>Driver<th>Call site<th class="number">In use)"
                        R"(<th class="number">Per hour<th class="number">Sure</tr></thead><tbody>)" +
                            rows + "</tbody></table>");
}

std::string confirm_html(const std::vector<hunt::Advice>& steps) {
    const bool typed =
        std::ranges::any_of(steps, [](const hunt::Advice& step) { return step.command.starts_with('!'); });
    return (typed ? html_paragraph("Commands that begin with ! are typed at the prompt of poolkd.") : "") +
           html_advice(steps, "confirm");
}

std::string steps_html(const std::vector<hunt::HuntStep>& steps) {
    std::string items;
    for (const hunt::HuntStep& step : steps) {
        items += fmt::format(R"(<li class="{}">{})", step.done ? "done" : "left", html_text(step.text));
        if (!step.done) items += " <span class=\"mark\">not done</span>";
        if (!step.outcome.empty()) items += "<br><span class=\"outcome\">" + html_text(step.outcome) + "</span>";
        items += "</li>";
    }
    return items.empty() ? items : "<ol class=\"steps\">" + items + "</ol>";
}

/// That all reads went well says nothing of what was left out: that is told with what was not visible.
std::string coverage_html(const hunt::HuntReport& report) {
    const Coverage& coverage = report.coverage;
    if (coverage.complete()) {
        if (coverage.read() == 0) return {};
        const std::string size = size_text(static_cast<double>(coverage.read()));
        if (report.not_visible.empty())
            return html_paragraph("Complete: all of the " + size + " looked at could be read.");
        return "<p>All of the " + size +
               " that were looked at could be read. What was not looked at stands under "
               "<a href=\"#not-visible\">What was not visible</a>.</p>";
    }
    std::string rows;
    for (const Gap& gap : coverage.gaps())
        rows += fmt::format(
            "<tr><td>{}</td><td class=\"address\"><code>{:#x}</code></td><td class=\"number\">{}</td></tr>",
            html_text(to_words(gap.reason)), gap.first.value, count_text(static_cast<std::int64_t>(gap.bytes)));
    std::string text = html_paragraph(coverage.sentence());
    if (!rows.empty())
        text += "<details><summary>What is missing</summary><table><thead><tr><th>Why<th>From<th class=\"number\">Bytes"
                "</tr></thead><tbody>" +
                rows + "</tbody></table></details>";
    return text;
}

std::string notes_html(const hunt::HuntReport& report) {
    std::string text = html_list(report.verdict.notes);
    if (!report.verdict.coverage.complete()) text += html_paragraph("Counters: " + report.verdict.coverage.sentence());
    return text;
}

std::string groups_html(const hunt::Report& verdict) {
    std::vector<std::string> groups;
    for (const hunt::LeakGroup& group : verdict.groups)
        if (!group.members.empty()) groups.push_back(group_text(verdict, group));
    return html_list(groups);
}

std::string footer_html(const hunt::HuntReport& report) {
    std::string text = fmt::format(
        "Made by {}. The report's data for programs is the JSON of this file's element "
        "<code>report</code>, version {}. What its words and its confidence mean is told in poolkd's docs/hunt.md.",
        report.program.empty() ? "poolkd" : html_text(report.program), hunt_json_version);
    if (!report_script().empty())
        text += " Drawn with d3-flame-graph, D3 and uPlot, whose licences stand at the head of the script.";
    return "<footer>" + text + "</footer>";
}

std::string body_html(const hunt::HuntReport& report) {
    std::string body = "<header><p class=\"kicker\">Kernel pool leak report</p>" + html_heading(title_of(report));
    if (report.partial)
        body += html_paragraph("The hunt was stopped before its end: this is what it had found by then.", "partial");
    body += headline_html(report) + facts_html(report) + "</header><main>";
    body += overview_html(report) + html_growth(report);
    for (std::size_t i = 0; i < report.suspects.size(); ++i)
        body += html_suspect(report, i);
    body += html_section("groups", "Tags that grow together", groups_html(report.verdict));
    body += html_section("not-visible", "What was not visible", html_list(report.not_visible));
    body += html_section("alternatives", "Other readings of the same evidence", html_list(report.alternatives));
    body += html_section("confirm", "Steps to confirm", confirm_html(report.confirm));
    body += html_section("tags", "All other tags", html_tags(report));
    body += html_section("steps", "Steps taken", steps_html(report.steps));
    body += html_section("coverage", "Coverage", coverage_html(report));
    body += html_section("notes", "Notes", notes_html(report));
    return body + "</main>" + footer_html(report);
}

/// Nothing is fetched, and no script runs but the report's own.
std::string policy() {
    std::string policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'";
    if (!report_script().empty()) policy += fmt::format("; script-src '{}'", report_script_hash());
    return policy;
}

} // namespace

std::string hunt_html(const hunt::HuntReport& report) {
    return html_page(
        report_template(),
        {{"policy", policy()},
         {"title", html_text(title_of(report))},
         {"style", std::string(report_style())},
         {"body", body_html(report)},
         {"data", html_json(hunt_json(report, {.tags = report_tags, .stacks = report_stacks, .hits = false}))},
         {"script", report_script().empty() ? "" : fmt::format("<script>{}</script>", report_script())}});
}

} // namespace poolkd::render
