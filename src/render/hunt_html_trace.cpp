#include "render/html.h"
#include "render/hunt_html_parts.h"
#include "render/quantity.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

std::string counted(std::uint64_t count) {
    return count_text(static_cast<std::int64_t>(count));
}

double seconds(std::chrono::milliseconds time) {
    return std::chrono::duration<double>(time).count();
}

std::string trace_facts(const hunt::TraceReport& trace) {
    std::string facts = html_fact("Stops", counted(trace.hits));
    if (trace.sampled != trace.hits) facts += html_fact("Looked at", counted(trace.sampled));
    facts += html_fact("Allocations", counted(trace.allocations));
    facts += html_fact("Frees", counted(trace.releases));
    if (trace.unknown != 0) facts += html_fact("Neither", counted(trace.unknown));
    facts += html_fact("Matched", counted(trace.matched));
    if (trace.older_blocks != 0) facts += html_fact("Frees of older blocks", counted(trace.older_blocks));
    facts += html_fact("Traced for", fmt::format("{:.1f} s", seconds(trace.elapsed)));
    if (trace.elapsed.count() > 0)
        facts += html_fact("Stood still", percent_text(seconds(trace.stopped) / seconds(trace.elapsed)));
    if (trace.slow_down) facts += html_fact("Slowed down", fmt::format("{:.1f} times", *trace.slow_down));
    return "<dl class=\"figures\">" + facts + "</dl>";
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

std::string age_text(const hunt::TraceStack& stack) {
    std::string text;
    if (stack.oldest) text += fmt::format(", oldest {:.1f} s", seconds(*stack.oldest));
    if (stack.median_age) text += fmt::format(", median age {:.1f} s", seconds(*stack.median_age));
    return text;
}

std::string stack_html(const hunt::TraceStack& stack) {
    const hunt::TraceFrame* caller = stack.caller < stack.frames.size() ? &stack.frames[stack.caller] : nullptr;
    std::string text = fmt::format(R"(<details class="stack"><summary><span>{}</span> <b>{} held</b>, {}</summary>)",
                                   html_code(caller ? caller->text : "no caller known"), counted(stack.outstanding),
                                   size_text(static_cast<double>(stack.outstanding_bytes)));
    text += html_paragraph(fmt::format(
        "{} allocated and {} freed here{}{}.", counted(stack.allocations), counted(stack.releases), age_text(stack),
        stack.older != 0 ? fmt::format(", {} older than the threshold", counted(stack.older)) : ""));
    text += "<ol class=\"frames\">";
    for (std::size_t i = 0; i < stack.frames.size(); ++i)
        text += frame_html(stack.frames[i], i == stack.caller);
    return text + "</ol></details>";
}

} // namespace

std::string html_trace(const hunt::TraceReport& trace, std::size_t index) {
    std::string text = trace_facts(trace) + html_paragraph(trace.means_note);
    if (!trace.stacks.empty()) text += fmt::format(R"(<div class="flame" data-suspect="{}"></div>)", index);
    for (std::size_t i = 0; i < trace.stacks.size() && i < report_listed_stacks; ++i)
        text += stack_html(trace.stacks[i]);
    if (trace.stacks.size() > report_listed_stacks)
        text += html_paragraph(
            fmt::format("{} more stacks{}.", trace.stacks.size() - report_listed_stacks,
                        trace.stacks.size() > report_stacks
                            ? fmt::format(", {} of them in the flame graph too", report_stacks - report_listed_stacks)
                            : " are in the report's data"));
    text += html_list(trace.notes);
    if (!trace.coverage.complete()) text += html_paragraph(trace.coverage.sentence());
    return text;
}

} // namespace poolkd::render
