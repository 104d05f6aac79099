#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/hunt_json.h"
#include "render/quantity.h"
#include "render/sites.h"
#include "render/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

std::string site_path(const code::PoolSite& site) {
    std::string path;
    for (const std::string& wrapper : site.via)
        path += html_code(wrapper) + " → ";
    return site.api.empty() ? path : path + html_code(site.api);
}

std::string seen_by(const hunt::SuspectSite& at) {
    std::string text;
    auto add = [&](bool seen, std::string_view how) {
        if (seen) text += (text.empty() ? "" : ", ") + std::string(how);
    };
    add(at.from_index, "the driver's code");
    add(at.from_trace, "the trace");
    add(at.from_retag, "a tag of its own");
    return text;
}

std::string site_facts(const hunt::SuspectSite& at) {
    std::vector<std::string> facts;
    if (at.blocks) facts.push_back(count_text(static_cast<std::int64_t>(*at.blocks)) + " blocks held");
    if (at.bytes) facts.push_back(size_text(static_cast<double>(*at.bytes)));
    if (at.seen_allocated != 0 || at.seen_freed != 0)
        facts.push_back(fmt::format("seen: {} allocated, {} freed",
                                    count_text(static_cast<std::int64_t>(at.seen_allocated)),
                                    count_text(static_cast<std::int64_t>(at.seen_freed))));
    if (at.site.size) facts.push_back(count_text(static_cast<std::int64_t>(*at.site.size)) + " bytes each");
    facts.push_back(fmt::format("RVA {:#x}", at.site.rva));
    if (const std::string how = seen_by(at); !how.empty()) facts.push_back("known from " + how);
    std::string text;
    for (const std::string& fact : facts)
        text += "<span>" + html_text(fact) + "</span>";
    return "<p class=\"facts-line\">" + text + "</p>";
}

std::string site_html(const hunt::SuspectSite& at) {
    std::string text =
        fmt::format(R"(<li class="{}"><div class="site"><span class="name">{}{}</span>)"
                    R"(<span class="sure">{}</span></div>)",
                    at.accused() ? "accused" : "", html_code(site_name(at.module, at.site)),
                    at.site.source.empty() ? "" : " <span class=\"unit\">" + html_text(at.site.source) + "</span>",
                    html_confidence(at.confidence));
    if (const std::string path = site_path(at.site); !path.empty()) text += "<p class=\"via\">calls " + path + "</p>";
    text += site_facts(at) + html_paragraph(at.reason);
    return text + "</li>";
}

std::string sites_html(const hunt::Suspect& suspect) {
    std::string items;
    for (const hunt::SuspectSite& at : suspect.sites)
        items += site_html(at);
    return items.empty() ? items : "<ol class=\"sites\">" + items + "</ol>";
}

std::string owners_html(const hunt::Suspect& suspect) {
    std::string items;
    for (const hunt::SuspectOwner& owner : suspect.owners) {
        items +=
            fmt::format(R"(<li><div class="site"><span class="name">{}{}</span><span class="sure">{}</span></div>)",
                        html_code(owner.image), owner.unloaded ? " <span class=\"unit\">unloaded</span>" : "",
                        html_confidence(owner.confidence));
        items += html_list(owner.reasons);
        if (!owner.against.empty()) items += "<p class=\"against\">Against it:</p>" + html_list(owner.against);
        items += "</li>";
    }
    return items.empty() ? items : "<ol class=\"sites\">" + items + "</ol>";
}

std::string found_html(const hunt::Suspect& suspect) {
    if (suspect.blocks_counted == 0 && suspect.blocks_found == 0) return {};
    const std::string found = count_text(static_cast<std::int64_t>(suspect.blocks_found));
    const std::string counted = count_text(static_cast<std::int64_t>(suspect.blocks_counted));
    // Blocks of a live target are looked for after its counters were read.
    if (suspect.blocks_found > suspect.blocks_counted)
        return html_paragraph(fmt::format("Found {} blocks; the counters told {} before.", found, counted));
    return html_paragraph(fmt::format("Found {} of the {} blocks that the counters tell.", found, counted));
}

std::string sizes_html(const hunt::Suspect& suspect) {
    if (suspect.sizes.empty()) return {};
    std::uint64_t most = 1;
    for (const hunt::SizeShare& share : suspect.sizes)
        most = std::max(most, share.blocks);
    std::string rows;
    for (const hunt::SizeShare& share : suspect.sizes)
        rows += fmt::format(R"(<tr><td class="number">{}</td><td class="number">{}</td><td class="wide">{}</td></tr>)",
                            count_text(static_cast<std::int64_t>(share.size)),
                            count_text(static_cast<std::int64_t>(share.blocks)),
                            svg_bar(static_cast<double>(share.blocks) / static_cast<double>(most)));
    std::string text =
        R"(<table class="sizes"><thead><tr><th class="number">Bytes a block<th class="number">Blocks<th>)"
        "</tr></thead><tbody>" +
        rows + "</tbody></table>";
    return text + found_html(suspect);
}

std::string holders_html(const hunt::Suspect& suspect) {
    std::string text = html_paragraph(suspect.holders);
    if (suspect.orphaned)
        text += html_paragraph("Whoever could free these blocks is gone: they stay until the machine restarts.");
    return text;
}

std::string figures_html(const hunt::TagVerdict& row) {
    const hunt::Figures& figures = row.figures;
    std::string facts = html_fact("In use", size_text(static_cast<double>(figures.bytes)));
    facts += html_fact("Blocks", count_text(figures.blocks));
    if (figures.samples >= 2) facts += html_fact("Gained", change_text(static_cast<double>(figures.bytes_gained)));
    if (figures.bytes_per_hour) facts += html_fact("Per hour", change_text(*figures.bytes_per_hour));
    if (figures.freed_share) facts += html_fact("Freed", percent_text(*figures.freed_share));
    if (figures.bytes_per_block)
        facts += html_fact("A block", (figures.uniform_sizes ? "" : "~") + size_text(*figures.bytes_per_block));
    if (figures.share) facts += html_fact("Of its pool", percent_text(*figures.share));
    if (figures.exhausted_hours) facts += html_fact("Pool full in", hours_text(*figures.exhausted_hours));
    return "<dl class=\"figures\">" + facts + "</dl>";
}

std::string known_as(const hunt::TagVerdict& row) {
    if (row.description.empty()) return {};
    return html_paragraph(
        "The tag lists know it as: " + (row.binary.empty() ? "" : row.binary + ", ") + row.description, "known-as");
}

} // namespace

std::string html_accused(const hunt::Suspect& suspect) {
    if (suspect.sites.empty()) return "not known";
    const hunt::SuspectSite& first = suspect.sites.front();
    return (first.accused() ? "" : "<span class=\"unit\">perhaps</span> ") +
           html_code(site_name(first.module, first.site));
}

std::string html_suspect(const hunt::HuntReport& report, std::size_t index) {
    const hunt::Suspect& suspect = report.suspects[index];
    const hunt::TagVerdict* row = verdict_of(report, suspect);
    std::string text = fmt::format(
        R"(<section class="suspect" id="suspect-{0}"><details{1}><summary><h2>{2}</h2><span class="owner">{3}</span>)"
        R"({4}<span class="sure">{5}</span></summary>)",
        index + 1, index == 0 ? " open" : "", row ? html_tag(*row) : "A tag", html_owner(report, suspect),
        row ? svg_spark(row->chart) : "", html_confidence(suspect.confidence));
    text += html_paragraph(suspect.conclusion, "conclusion");
    if (row) {
        text += figures_html(*row) + known_as(*row);
        std::vector<std::string> reasons = row->reasons;
        text += html_part("Why", html_list(reasons));
    }
    text += html_part("Where it accumulates", sites_html(suspect));
    if (suspect.trace) text += html_part("Stacks", html_trace(*suspect.trace, index));
    text += html_part("Sizes", sizes_html(suspect));
    text += html_part("Who holds the blocks", holders_html(suspect));
    text += html_part("Whose it is", owners_html(suspect));
    text += html_part("What cannot be told", html_list(suspect.unknown));
    // Those of the first have a section of their own, and its signature is in the head.
    if (index != 0) text += html_part("To confirm", html_advice(suspect.confirm, "confirm-one"));
    if (index != 0 && !suspect.signature.empty())
        text += html_part("Signature", "<p class=\"copy\">" + html_code(suspect.signature) + "</p>");
    return text + "</details></section>";
}

} // namespace poolkd::render
