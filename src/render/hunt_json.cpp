#include "render/hunt_json.h"

#include "render/coverage.h"
#include "render/evidence_head.h"
#include "render/verdict.h"

#include <array>
#include <string_view>

namespace poolkd::render {

namespace {

constexpr std::array<std::string_view, 3> site_kinds{"allocation", "release", "lookaside"};
constexpr std::array<std::string_view, 6> tag_sources{"constant", "data", "fixed", "none", "parameter", "unresolved"};
constexpr std::array<std::string_view, 5> trace_ends{"limit", "user", "foreign stop", "restart", "link"};
constexpr std::array<std::string_view, 2> trace_means{"PoolHitTag", "call sites"};

template <class Names, class Value>
std::string_view name_of(const Names& names, Value value) {
    const auto index = static_cast<std::size_t>(value);
    return index < names.size() ? names[index] : "unknown";
}

nlohmann::json seconds_json(const std::optional<std::chrono::milliseconds>& time) {
    return time ? nlohmann::json(std::chrono::duration<double>(*time).count()) : nlohmann::json();
}

nlohmann::json suspect_site_json(const hunt::SuspectSite& at) {
    const code::PoolSite& site = at.site;
    return {{"module", at.module},
            {"rva", site.rva},
            {"function", json_text(site.function)},
            {"source", json_text(site.source)},
            {"kind", name_of(site_kinds, site.kind)},
            {"api", json_text(site.api)},
            {"via", site.via},
            {"tag", site.tag ? nlohmann::json(site.tag->bare().text()) : nlohmann::json()},
            {"tag_source", name_of(tag_sources, site.tag_source)},
            {"size", json_optional(site.size)},
            {"paged", json_optional(site.paged)},
            {"from_index", at.from_index},
            {"from_trace", at.from_trace},
            {"from_retag", at.from_retag},
            {"blocks", json_optional(at.blocks)},
            {"bytes", json_optional(at.bytes)},
            {"seen_allocated", at.seen_allocated},
            {"seen_freed", at.seen_freed},
            {"confidence", at.confidence},
            {"accused", at.accused()},
            {"reason", json_text(at.reason)}};
}

nlohmann::json trace_stack_json(const hunt::TraceStack& stack) {
    nlohmann::json frames = nlohmann::json::array();
    for (const hunt::TraceFrame& frame : stack.frames)
        frames.push_back({{"address", json_address(frame.address)},
                          {"text", frame.text},
                          {"module", json_text(frame.module)},
                          {"source", json_text(frame.source)},
                          {"allocator", frame.allocator}});
    return {{"frames", std::move(frames)},
            {"caller", stack.caller < stack.frames.size() ? nlohmann::json(stack.caller) : nlohmann::json()},
            {"allocations", stack.allocations},
            {"releases", stack.releases},
            {"outstanding", stack.outstanding},
            {"outstanding_bytes", stack.outstanding_bytes},
            {"older", stack.older},
            {"oldest_seconds", seconds_json(stack.oldest)},
            {"median_age_seconds", seconds_json(stack.median_age)}};
}

nlohmann::json suspect_trace_json(const hunt::TraceReport& trace, std::size_t most_stacks) {
    nlohmann::json json{{"means", name_of(trace_means, trace.means)},
                        {"means_note", json_text(trace.means_note)},
                        {"end", name_of(trace_ends, trace.end)},
                        {"hits", trace.hits},
                        {"sampled", trace.sampled},
                        {"allocations", trace.allocations},
                        {"releases", trace.releases},
                        {"unknown", trace.unknown},
                        {"matched", trace.matched},
                        {"older_blocks", trace.older_blocks},
                        {"elapsed_seconds", seconds_json(trace.elapsed)},
                        {"stopped_seconds", seconds_json(trace.stopped)},
                        {"slow_down", json_optional(trace.slow_down)},
                        {"stacks_total", trace.stacks.size()},
                        {"stacks", nlohmann::json::array()},
                        {"notes", trace.notes},
                        {"coverage", to_json(trace.coverage)}};
    for (const hunt::TraceStack& stack : trace.stacks) {
        if (most_stacks != 0 && json["stacks"].size() == most_stacks) break;
        json["stacks"].push_back(trace_stack_json(stack));
    }
    return json;
}

nlohmann::json suspect_json(const hunt::HuntReport& report, const hunt::Suspect& suspect, std::size_t most_stacks) {
    nlohmann::json json{{"confidence", suspect.confidence},
                        {"owners", nlohmann::json::array()},
                        {"sites", nlohmann::json::array()},
                        {"sizes", nlohmann::json::array()},
                        {"blocks_found", suspect.blocks_found},
                        {"blocks_counted", suspect.blocks_counted},
                        {"holders", json_text(suspect.holders)},
                        {"orphaned", suspect.orphaned},
                        {"conclusion", json_text(suspect.conclusion)},
                        {"unknown", suspect.unknown},
                        {"trace", nullptr},
                        {"tag", nullptr},
                        {"type", nullptr},
                        {"chart", nlohmann::json::array()}};
    if (const hunt::TagVerdict* row = verdict_of(report, suspect)) {
        json["row"] = suspect.row;
        json["tag"] = row->key.tag.text();
        json["value"] = row->key.tag.value;
        json["type"] = hunt::to_text(row->key.kind);
        json["chart"] = row->chart;
    }
    for (const hunt::SuspectOwner& owner : suspect.owners)
        json["owners"].push_back({{"image", owner.image},
                                  {"unloaded", owner.unloaded},
                                  {"confidence", owner.confidence},
                                  {"reasons", owner.reasons},
                                  {"against", owner.against}});
    for (const hunt::SuspectSite& site : suspect.sites)
        json["sites"].push_back(suspect_site_json(site));
    for (const hunt::SizeShare& share : suspect.sizes)
        json["sizes"].push_back({{"size", share.size}, {"blocks", share.blocks}});
    if (suspect.trace) json["trace"] = suspect_trace_json(*suspect.trace, most_stacks);
    return json;
}

} // namespace

const hunt::TagVerdict* verdict_of(const hunt::HuntReport& report, const hunt::Suspect& suspect) {
    return suspect.row < report.verdict.rows.size() ? &report.verdict.rows[suspect.row] : nullptr;
}

nlohmann::json hunt_json(const hunt::HuntReport& report, const HuntJsonBounds& bounds) {
    nlohmann::json json{{"command", "hunt"},
                        {"version", hunt_json_version},
                        {"title", report.title},
                        {"program", report.program},
                        {"target", json_text(report.target)},
                        {"signature", json_text(report.signature)},
                        {"partial", report.partial},
                        {"took_seconds", seconds_json(report.took)},
                        {"suspects", nlohmann::json::array()},
                        {"verdict", verdict_json(report.verdict, bounds.tags)},
                        {"steps", nlohmann::json::array()},
                        {"not_visible", report.not_visible},
                        {"alternatives", report.alternatives},
                        {"confirm", nlohmann::json::array()},
                        {"coverage", to_json(report.coverage)}};
    for (const hunt::Suspect& suspect : report.suspects)
        json["suspects"].push_back(suspect_json(report, suspect, bounds.stacks));
    for (const hunt::HuntStep& step : report.steps)
        json["steps"].push_back({{"text", step.text}, {"done", step.done}, {"outcome", json_text(step.outcome)}});
    for (const hunt::Advice& one : report.confirm)
        json["confirm"].push_back({{"command", json_text(one.command)}, {"why", one.why}});
    return json;
}

} // namespace poolkd::render
