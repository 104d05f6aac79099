#include "base/duration.h"
#include "hunt/trace_frames.h"
#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/quantity.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

std::string number_text(std::uint64_t count) {
    return count_text(static_cast<std::int64_t>(count));
}

std::string trace_facts(const hunt::TraceReport& trace) {
    std::string facts = html_fact("Stops", number_text(trace.hits));
    if (trace.sampled != trace.hits) facts += html_fact("Looked at", number_text(trace.sampled));
    facts += html_fact("Allocations", number_text(trace.allocations));
    facts += html_fact("Frees", number_text(trace.releases));
    if (trace.unknown != 0) facts += html_fact("Neither", number_text(trace.unknown));
    if (trace.options.blocks) {
        facts += html_fact("Still held", number_text(trace.outstanding) + " <span class=\"unit\">" +
                                             size_text(static_cast<double>(trace.outstanding_bytes)) + "</span>");
        if (trace.older_blocks != 0) facts += html_fact("Frees of older blocks", number_text(trace.older_blocks));
        if (trace.freed_unseen != 0) facts += html_fact("Gone unseen", number_text(trace.freed_unseen));
    }
    facts += html_fact("Traced for", duration_text(trace.elapsed));
    if (trace.elapsed.count() > 0)
        facts +=
            html_fact("Stood still", percent_text(std::min(1.0, std::chrono::duration<double>(trace.stopped) /
                                                                    std::chrono::duration<double>(trace.elapsed))));
    if (trace.slow_down) facts += html_fact("Slowed down", fmt::format("{:.2g} times", *trace.slow_down));
    return "<dl class=\"figures\">" + facts + "</dl>";
}

/// How far the figures can be trusted.
std::string trust_html(const hunt::TraceReport& trace) {
    std::string text = html_paragraph(trace.means_note);
    if (!trace.options.blocks)
        text += html_paragraph("Blocks were not looked for: what is still held is not known.");
    else if (trace.blocks_likely != 0 || trace.blocks_unknown != 0)
        text += html_paragraph(fmt::format("Of the blocks' addresses {} are certain, {} likely, and {} not known.",
                                           number_text(trace.blocks_sure), number_text(trace.blocks_likely),
                                           number_text(trace.blocks_unknown)));
    return text;
}

std::string frame_html(const hunt::TraceFrame& frame, bool caller) {
    std::string text =
        fmt::format("<li{}>{}",
                    frame.allocator ? " class=\"allocator\""
                    : caller        ? " class=\"caller\""
                                    : "",
                    html_code(frame.text.empty() ? fmt::format("{:#x}", frame.address.value) : frame.text));
    if (!frame.source.empty()) text += " <span class=\"unit\">" + html_text(frame.source) + "</span>";
    return text + "</li>";
}

std::string stack_head(const hunt::TraceReport& trace, const hunt::TraceStack& stack) {
    if (stack.kind == hunt::HitKind::release) return number_text(stack.releases) + " freed";
    if (stack.kind == hunt::HitKind::unknown) return "neither allocated nor freed";
    if (!trace.options.blocks) return number_text(stack.allocations) + " allocated";
    return fmt::format("<b>{} held</b> of {} allocated, {}", number_text(stack.outstanding),
                       number_text(stack.allocations), size_text(static_cast<double>(stack.outstanding_bytes)));
}

std::string stack_facts(const hunt::TraceReport& trace, const hunt::TraceStack& stack) {
    std::string text;
    if (stack.oldest) {
        text = "The oldest is held for " + duration_text(*stack.oldest);
        if (stack.median_age) text += ", half of them for " + duration_text(*stack.median_age);
        if (trace.options.age.count() > 0)
            text += fmt::format(", {} for more than {}", number_text(stack.older), duration_text(trace.options.age));
        text += ".";
    }
    return html_paragraph(text);
}

std::string stack_html(const hunt::TraceReport& trace, const hunt::TraceStack& stack) {
    const bool known = stack.caller < stack.frames.size();
    std::string text = fmt::format(R"(<details class="stack"><summary>{} {}</summary>)",
                                   html_code(known ? stack.frames[stack.caller].text : "caller not known"),
                                   "<span class=\"unit\">" + stack_head(trace, stack) + "</span>");
    text += stack_facts(trace, stack) + "<ol class=\"frames\">";
    for (std::size_t i = hunt::allocator_begin(stack); i < stack.frames.size(); ++i)
        text += frame_html(stack.frames[i], i == stack.caller);
    text += "</ol>";
    if (!stack.freed_by_text.empty()) {
        text += html_paragraph("Blocks from here are freed by:") + "<ul>";
        for (const std::string& place : stack.freed_by_text)
            text += "<li>" + html_code(place) + "</li>";
        text += "</ul>";
    }
    return text + "</details>";
}

std::string stacks_html(const hunt::TraceReport& trace) {
    std::string text;
    for (std::size_t i = 0; i < trace.stacks.size() && i < report_listed_stacks; ++i)
        text += stack_html(trace, trace.stacks[i]);
    if (trace.stacks.size() > report_listed_stacks)
        text +=
            html_paragraph(fmt::format("{} of {} stacks are listed here.", report_listed_stacks, trace.stacks.size()));
    if (trace.stacks.size() > report_stacks)
        text += html_paragraph(fmt::format("The flame graph shows {} of them.", report_stacks));
    return text;
}

} // namespace

std::string html_trace(const hunt::TraceReport& trace, std::size_t index) {
    std::string text = trace_facts(trace) + trust_html(trace);
    if (!trace.stacks.empty())
        text += fmt::format(R"(<div class="flame" data-suspect="{}"></div>)", index) + stacks_html(trace);
    text += html_list(trace.notes);
    if (!trace.coverage.complete()) text += html_paragraph("Stacks: " + trace.coverage.sentence());
    return text;
}

} // namespace poolkd::render
