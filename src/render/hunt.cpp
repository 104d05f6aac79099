#include "render/hunt.h"

#include "base/duration.h"
#include "code/site_name.h"
#include "render/evidence_head.h"
#include "render/hunt_json.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

constexpr std::size_t shown_sites = 6, shown_sizes = 4, shown_frames = 6;
constexpr std::size_t label_width = 15; // of what stands left of the text

std::string labelled(std::string_view label, std::string_view text) {
    return wrapped(text, text_width, fmt::format("   {:<{}}", label, label_width - 3), std::string(label_width, ' '));
}

std::string listed(std::string_view title, const std::vector<std::string>& sentences) {
    if (sentences.empty()) return {};
    std::string text = fmt::format("\n{}:\n", title);
    for (const std::string& sentence : sentences)
        text += wrapped(sentence + (sentence.ends_with('.') ? "" : "."), text_width, "  - ", "    ");
    return text;
}

std::string figures_text(const hunt::TagVerdict& row, ChartStyle style) {
    const hunt::Figures& figures = row.figures;
    std::string text = fmt::format("{}, {} {}", hunt::to_text(row.verdict), count_text(figures.blocks),
                                   figures.blocks == 1 ? "block" : "blocks");
    text += fmt::format(", {}", size_text(static_cast<double>(figures.bytes)));
    if (figures.bytes_per_hour && figures.samples >= 2)
        text += fmt::format(", {} an hour", change_text(*figures.bytes_per_hour));
    if (figures.freed_share) text += fmt::format(", freed {}", percent_text(*figures.freed_share));
    if (figures.samples >= 2) text += "  " + sparkline(row.chart, 24, style);
    return text;
}

std::string owners_text(const hunt::Suspect& suspect) {
    std::string text;
    for (const hunt::SuspectOwner& owner : suspect.owners) {
        if (&owner != &suspect.owners.front() && owner.confidence < 0.05) continue;
        std::string line =
            fmt::format("{}{}, {}", owner.image, owner.unloaded ? " (unloaded)" : "", percent_text(owner.confidence));
        for (const std::string& reason : owner.reasons)
            line += ". " + reason;
        for (const std::string& against : owner.against)
            line += ". But: " + against;
        text += labelled(text.empty() ? "Owner" : "or", line + ".");
    }
    return text;
}

std::string sites_text(const hunt::Suspect& suspect, bool leaks) {
    std::string text;
    std::size_t shown = 0;
    for (const hunt::SuspectSite& site : suspect.sites) {
        if (shown++ == shown_sites) {
            text += labelled("", fmt::format("and {} more places", suspect.sites.size() - shown_sites));
            break;
        }
        text += labelled(site.accused()           ? (leaks ? "Leaks from" : "Comes from")
                         : site.confidence >= 0.1 ? "Perhaps"
                                                  : "Not",
                         fmt::format("{}, {}{}", site_text(site), percent_text(site.confidence),
                                     site.reason.empty() ? "" : ". " + site.reason + "."));
    }
    return text;
}

/// The stack of which most blocks are out.
std::string stack_text(const hunt::Suspect& suspect) {
    if (!suspect.trace || suspect.trace->stacks.empty()) return {};
    const hunt::TraceStack& stack = suspect.trace->stacks.front();
    if (stack.outstanding == 0) return {};
    std::string text;
    for (std::size_t i = stack.caller; i < stack.frames.size() && i < stack.caller + shown_frames; ++i) {
        const hunt::TraceFrame& frame = stack.frames[i];
        text += fmt::format("{:<{}}{}{}\n", i == stack.caller ? "   Stack" : "", label_width, frame.text,
                            frame.source.empty() ? "" : " (" + frame.source + ")");
    }
    return text;
}

std::string blocks_text(const hunt::Suspect& suspect) {
    if (suspect.blocks_found == 0) return {};
    std::string text =
        fmt::format("{} found of {} counted", count_text(static_cast<std::int64_t>(suspect.blocks_found)),
                    count_text(static_cast<std::int64_t>(suspect.blocks_counted)));
    for (std::size_t i = 0; i < suspect.sizes.size() && i < shown_sizes; ++i)
        text += fmt::format("{} {} of {} bytes", i == 0 ? ":" : ",",
                            count_text(static_cast<std::int64_t>(suspect.sizes[i].blocks)), suspect.sizes[i].size);
    if (suspect.sizes.size() > shown_sizes) text += " and other sizes";
    return labelled("Blocks", text + ".");
}

/// The commands that confirm or refute it, as many on a line as fit.
std::string confirm_text(const hunt::Suspect& suspect) {
    std::string text, line;
    auto end_line = [&] {
        if (!line.empty()) text += fmt::format("{:<{}}{}\n", text.empty() ? "   Confirm" : "", label_width, line);
        line.clear();
    };
    for (const hunt::Advice& one : suspect.confirm) {
        if (one.command.empty()) continue;
        if (!line.empty() && label_width + line.size() + 3 + one.command.size() > text_width) end_line();
        line += (line.empty() ? "" : " | ") + one.command;
    }
    end_line();
    return text;
}

std::string suspect_text(const hunt::HuntReport& report, const hunt::Suspect& suspect, std::size_t number,
                         ChartStyle style) {
    std::string text = "\n" + wrapped(suspect.conclusion, text_width, fmt::format("{}. ", number), "   ");
    const hunt::TagVerdict* row = verdict_of(report, suspect);
    if (row) {
        text += labelled("Counters", figures_text(*row, style));
        if (!row->reasons.empty())
            text += labelled("", row->reasons.front() + (row->reasons.front().ends_with('.') ? "" : "."));
    }
    const bool leaks = suspect.orphaned || (row && row->verdict == hunt::Verdict::leaking);
    text += owners_text(suspect) + sites_text(suspect, leaks) + stack_text(suspect) + blocks_text(suspect);
    if (!suspect.holders.empty()) text += labelled("Held by", suspect.holders);
    for (const std::string& sentence : suspect.unknown)
        text += labelled("Unknown", sentence + ".");
    return text + confirm_text(suspect);
}

} // namespace

std::string site_text(const hunt::SuspectSite& at) {
    const code::PoolSite& site = at.site;
    std::string text = code::site_name(at.module, site);
    if (!site.source.empty()) text += " (" + site.source + ")";
    for (std::size_t i = 0; i < site.via.size(); ++i)
        text += (i == 0 ? ", through " : ", ") + site.via[i];
    return text;
}

std::string hunt_plan_text(const hunt::HuntReport& report) {
    std::string text = "The plan (Ctrl-C: a report of what there is by then):\n";
    for (std::size_t i = 0; i < report.steps.size(); ++i)
        text += wrapped(report.steps[i].text + ".", text_width, fmt::format("  {}. ", i + 1), "     ");
    return text;
}

std::string hunt_text(const hunt::HuntReport& report, ChartStyle style) {
    std::string text = head_text(report.verdict);
    if (!report.target.empty()) text += "Target:    " + report.target + "\n";
    text += "\n" + wrapped(report.title, text_width);
    if (!report.signature.empty()) text += "Signature of the leak: " + report.signature + "\n";
    if (report.partial) text += "The hunt was stopped before its end: this is what there was by then.\n";
    std::size_t number = 0;
    for (const hunt::Suspect& suspect : report.suspects)
        text += suspect_text(report, suspect, ++number, style);
    text += "\nDone:\n";
    for (const hunt::HuntStep& step : report.steps)
        text += wrapped(fmt::format("{}. {}.", step.text, step.outcome.empty() ? "Not done" : step.outcome), text_width,
                        step.done ? "  + " : "  - ", "    ");
    text += listed("Not visible", report.not_visible);
    text += listed("Other readings", report.alternatives);
    if (!report.confirm.empty()) text += "\nTo confirm:\n";
    for (const hunt::Advice& one : report.confirm) {
        text += wrapped(one.why + (one.why.ends_with('.') ? "" : "."), text_width, "  - ", "    ");
        if (!one.command.empty()) text += "      " + one.command + "\n";
    }
    text += listed("Notes", report.verdict.notes);
    if (!report.coverage.complete()) text += "\n" + wrapped(report.coverage.sentence(), text_width);
    return text + fmt::format("\nTook {}.\n", duration_text(report.took));
}

} // namespace poolkd::render
