#include "render/trace.h"

#include "base/duration.h"
#include "render/coverage.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace poolkd::render {

namespace {

using hunt::HitKind, hunt::HowSure, hunt::TraceEnd, hunt::TraceFrame, hunt::TraceReport, hunt::TraceStack;

std::string number_of(std::uint64_t count, std::string_view word) {
    return fmt::format("{} {}{}", count_text(static_cast<std::int64_t>(count)), word, count == 1 ? "" : "s");
}

double in_seconds(std::chrono::milliseconds time) {
    return std::chrono::duration<double>(time).count();
}

std::string rate_text(double a_second) {
    return a_second >= 10 ? count_text(static_cast<std::int64_t>(a_second + 0.5)) : fmt::format("{:.2g}", a_second);
}

std::string slow_down_text(double times) {
    if (times < 1.1) return "hardly slower";
    return fmt::format("{} times slower", rate_text(times));
}

std::string_view end_word(TraceEnd end) {
    switch (end) {
    case TraceEnd::limit: return "limit";
    case TraceEnd::user: return "user";
    case TraceEnd::foreign_stop: return "foreign_stop";
    case TraceEnd::restart: return "restart";
    case TraceEnd::link: return "link";
    }
    return "unknown";
}

std::string_view end_sentence(TraceEnd end) {
    switch (end) {
    case TraceEnd::limit: return "";
    case TraceEnd::user: return "You stopped it: this is what it had.";
    case TraceEnd::foreign_stop: return "Something else stopped the target: this is what the trace had.";
    case TraceEnd::restart: return "The target was restarted: this is what the trace had.";
    case TraceEnd::link: return "The connection was lost: this is what the trace had.";
    }
    return "";
}

std::string_view kind_word(HitKind kind) {
    switch (kind) {
    case HitKind::allocation: return "allocation";
    case HitKind::release: return "free";
    case HitKind::unknown: break;
    }
    return "unknown";
}

std::string_view sure_word(HowSure sure) {
    switch (sure) {
    case HowSure::sure: return "sure";
    case HowSure::likely: return "likely";
    case HowSure::unknown: break;
    }
    return "unknown";
}

std::string_view means_word(hunt::TraceMeans means) {
    return means == hunt::TraceMeans::hit_tag ? "nt!PoolHitTag" : "breakpoints on call sites";
}

std::string sums_text(const TraceReport& report) {
    std::string text =
        fmt::format("{} of {} in {} by {}: {}, {}{}.\n", number_of(report.hits, "hit"), tag_word(report.options.tag),
                    duration_text(report.elapsed), means_word(report.means),
                    number_of(report.allocations, "allocation"), number_of(report.releases, "free"),
                    report.unknown == 0 ? "" : fmt::format(", {} of unknown kind", report.unknown));
    if (report.sampled < report.hits)
        text += fmt::format("{} of the hits were looked at.\n", count_text(static_cast<std::int64_t>(report.sampled)));
    if (!report.options.blocks) return text + "Blocks were not looked for: what is outstanding is not known.\n";
    text += fmt::format("Outstanding: {} allocated since the trace began, {}. Of the frees, {} were of such blocks, {} "
                        "of older ones{}.\n",
                        number_of(report.outstanding, "block"),
                        size_text(static_cast<double>(report.outstanding_bytes)), report.matched, report.older_blocks,
                        report.freed_unseen == 0
                            ? ""
                            : fmt::format("; {} more are gone without a hit", number_of(report.freed_unseen, "block")));
    if (report.blocks_likely != 0 || report.blocks_unknown != 0)
        text += fmt::format("Block pointers: certain at {}, likely at {}, not known at {}.\n",
                            number_of(report.blocks_sure, "hit"), report.blocks_likely, report.blocks_unknown);
    return text;
}

std::string cost_text(const TraceReport& report) {
    const double seconds = in_seconds(report.elapsed);
    if (seconds <= 0) return {};
    std::string text = fmt::format("{} hits a second; the target stood still for {} of the time",
                                   rate_text(static_cast<double>(report.hits) / seconds),
                                   percent_text(std::min(1.0, in_seconds(report.stopped) / seconds)));
    if (report.paused.count() > 0)
        text += fmt::format(", and ran without stops for {} of it",
                            percent_text(std::min(1.0, in_seconds(report.paused) / seconds)));
    if (report.hits != 0 && report.requests != 0)
        text += fmt::format("; {:.1f} requests a hit",
                            static_cast<double>(report.requests) / static_cast<double>(report.hits));
    text += ".\n";
    if (report.slow_down)
        text += fmt::format("Before, the tag was used {} times a second, during the trace {}: {}.\n",
                            rate_text(report.rate_before.value_or(0)), rate_text(report.rate_during.value_or(0)),
                            slow_down_text(*report.slow_down));
    const std::uint64_t all = report.counted_allocations.value_or(0) + report.counted_releases.value_or(0);
    if (report.counted_allocations && all > report.hits + 2)
        text += fmt::format("The kernel counted {} and {} meanwhile: the hits are {} of them.\n",
                            number_of(*report.counted_allocations, "allocation"),
                            number_of(*report.counted_releases, "free"),
                            percent_text(static_cast<double>(report.hits) / static_cast<double>(all)));
    return text;
}

std::string head_text(const TraceReport& report, const TraceStack& stack) {
    if (stack.kind == HitKind::release) return number_of(stack.releases, "free");
    if (stack.kind == HitKind::unknown) return "hits of unknown kind";
    std::string text = number_of(stack.allocations, "allocation");
    if (!report.options.blocks) return text;
    text += fmt::format(", {} outstanding", count_text(static_cast<std::int64_t>(stack.outstanding)));
    if (stack.outstanding == 0) return text;
    text += fmt::format(" ({})", size_text(static_cast<double>(stack.outstanding_bytes)));
    if (stack.oldest)
        text += fmt::format(", the oldest for {}, half of them for {}", duration_text(*stack.oldest),
                            duration_text(stack.median_age.value_or(std::chrono::milliseconds(0))));
    if (report.options.age.count() > 0)
        text += fmt::format(", {} for more than {}", stack.older, duration_text(report.options.age));
    return text;
}

std::string frames_text(const TraceStack& stack) {
    std::string text;
    for (std::size_t i = 0; i < stack.frames.size(); ++i) {
        const TraceFrame& frame = stack.frames[i];
        text += fmt::format("  {} {}{}\n", i == stack.caller ? "=>" : "  ", frame.text,
                            frame.source.empty() ? "" : fmt::format(" [{}]", frame.source));
    }
    if (stack.frames.empty()) text += "     (more stacks than are kept)\n";
    if (!stack.freed_by_text.empty()) text += fmt::format("     freed by {}\n", fmt::join(stack.freed_by_text, ", "));
    return text;
}

nlohmann::json optional_json(const auto& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json milliseconds_json(const std::optional<std::chrono::milliseconds>& time) {
    return time ? nlohmann::json(time->count()) : nlohmann::json();
}

nlohmann::json frame_json(const TraceFrame& frame) {
    return {{"address", json_address(frame.address)},
            {"text", frame.text},
            {"module", frame.module},
            {"source", frame.source},
            {"allocator", frame.allocator}};
}

nlohmann::json traced_stack_json(const TraceStack& stack) {
    nlohmann::json json{
        {"kind", kind_word(stack.kind)},
        {"frames", nlohmann::json::array()},
        {"caller", stack.caller < stack.frames.size() ? nlohmann::json(stack.caller) : nlohmann::json()},
        {"allocations", stack.allocations},
        {"frees", stack.releases},
        {"outstanding", stack.outstanding},
        {"outstanding_bytes", stack.outstanding_bytes},
        {"older", stack.older},
        {"oldest_ms", milliseconds_json(stack.oldest)},
        {"median_age_ms", milliseconds_json(stack.median_age)},
        {"freed_by", nlohmann::json::array()}};
    for (const TraceFrame& frame : stack.frames)
        json["frames"].push_back(frame_json(frame));
    for (std::size_t i = 0; i < stack.freed_by.size(); ++i)
        json["freed_by"].push_back({{"address", json_address(stack.freed_by[i])},
                                    {"text", i < stack.freed_by_text.size() ? stack.freed_by_text[i] : ""}});
    return json;
}

nlohmann::json hit_json(const hunt::TraceHit& hit) {
    return {{"kind", kind_word(hit.kind)},
            {"block", hit.block ? nlohmann::json(json_address(hit.block)) : nlohmann::json()},
            {"block_sure", sure_word(hit.block_sure)},
            {"size", hit.size != 0 ? nlohmann::json(hit.size) : nlohmann::json()},
            {"size_sure", sure_word(hit.size_sure)},
            {"time", hit.time ? nlohmann::json(iso_time(*hit.time)) : nlohmann::json()},
            {"processor", hit.processor},
            {"thread", json_address(hit.thread)},
            {"process", json_address(hit.process)},
            {"process_name", hit.process_name},
            {"stack", hit.stack}};
}

} // namespace

std::string trace_progress_text(const TraceReport& report) {
    return fmt::format("{}, {}, {} out; hits", number_of(report.allocations, "allocation"),
                       number_of(report.releases, "free"), report.outstanding);
}

std::string trace_text(const TraceReport& report, const TraceView& view) {
    std::string text = sums_text(report) + cost_text(report);
    if (!report.means_note.empty()) text += wrapped(report.means_note, text_width);
    if (const std::string_view end = end_sentence(report.end); !end.empty()) text += fmt::format("{}\n", end);
    std::size_t shown = 0;
    for (const TraceStack& stack : report.stacks) {
        if (view.stacks != 0 && shown == view.stacks) {
            text += fmt::format("\n{} more.\n", number_of(report.stacks.size() - shown, "stack"));
            break;
        }
        text += fmt::format("\n{}. {}\n{}", ++shown, head_text(report, stack), frames_text(stack));
    }
    if (!report.notes.empty()) text += "\n";
    for (const std::string& note : report.notes)
        text += wrapped(note, text_width);
    if (!report.coverage.complete()) text += fmt::format("Stacks: {}\n", report.coverage.sentence());
    return text;
}

nlohmann::json trace_json(const TraceReport& report, std::size_t most_stacks) {
    nlohmann::json json{
        {"tag", report.options.tag.text()},
        {"means", report.means == hunt::TraceMeans::hit_tag ? "hit_tag" : "call_sites"},
        {"means_note", report.means_note},
        {"end", end_word(report.end)},
        {"hits", report.hits},
        {"looked_at", report.sampled},
        {"allocations", report.allocations},
        {"frees", report.releases},
        {"unknown", report.unknown},
        {"blocks", report.options.blocks},
        {"matched", report.matched},
        {"older_blocks", report.older_blocks},
        {"freed_unseen", report.freed_unseen},
        {"outstanding", report.outstanding},
        {"outstanding_bytes", report.outstanding_bytes},
        {"pointers",
         {{"sure", report.blocks_sure}, {"likely", report.blocks_likely}, {"unknown", report.blocks_unknown}}},
        {"age_ms", report.options.age.count()},
        {"elapsed_ms", report.elapsed.count()},
        {"stopped_ms", report.stopped.count()},
        {"paused_ms", report.paused.count()},
        {"rate_before", optional_json(report.rate_before)},
        {"rate_during", optional_json(report.rate_during)},
        {"slow_down", optional_json(report.slow_down)},
        {"counted_allocations", optional_json(report.counted_allocations)},
        {"counted_frees", optional_json(report.counted_releases)},
        {"return_stops", report.return_stops},
        {"requests", report.requests},
        {"stacks_total", report.stacks.size()},
        {"stacks", nlohmann::json::array()},
        {"last_hits", nlohmann::json::array()},
        {"notes", report.notes},
        {"coverage", to_json(report.coverage)}};
    for (const TraceStack& stack : report.stacks) {
        if (most_stacks != 0 && json["stacks"].size() == most_stacks) break;
        json["stacks"].push_back(traced_stack_json(stack));
    }
    for (const hunt::TraceHit& hit : report.kept)
        json["last_hits"].push_back(hit_json(hit));
    return json;
}

} // namespace poolkd::render
