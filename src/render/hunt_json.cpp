#include "render/hunt_json.h"

#include "render/coverage.h"
#include "render/evidence_head.h"
#include "render/sites.h"
#include "render/trace.h"
#include "render/verdict.h"

namespace poolkd::render {

namespace {

nlohmann::json suspect_site_json(const hunt::SuspectSite& at) {
    const code::PoolSite& site = at.site;
    return {{"module", at.module},
            {"name", site_name(at.module, site)},
            {"rva", site.rva},
            {"function", json_text(site.function)},
            {"function_rva", site.function_rva},
            {"source", json_text(site.source)},
            {"kind", site_kind_word(site.kind)},
            {"api", json_text(site.api)},
            {"via", site.via},
            {"tag", site.tag ? nlohmann::json(site.tag->bare().text()) : nlohmann::json()},
            {"tag_source", tag_source_word(site.tag_source)},
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

nlohmann::json suspect_trace_json(const hunt::TraceReport& trace, const HuntJsonBounds& bounds) {
    nlohmann::json json = trace_json(trace, bounds.stacks);
    if (!bounds.hits) json.erase("last_hits");
    return json;
}

nlohmann::json confirm_json(const std::vector<hunt::Advice>& steps) {
    nlohmann::json json = nlohmann::json::array();
    for (const hunt::Advice& one : steps)
        json.push_back({{"command", json_text(one.command)}, {"why", one.why}});
    return json;
}

nlohmann::json suspect_json(const hunt::HuntReport& report, const hunt::Suspect& suspect,
                            const HuntJsonBounds& bounds) {
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
                        {"signature", json_text(suspect.signature)},
                        {"confirm", confirm_json(suspect.confirm)},
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
    if (suspect.trace) json["trace"] = suspect_trace_json(*suspect.trace, bounds);
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
                        {"took_ms", report.took.count()},
                        {"suspects", nlohmann::json::array()},
                        {"verdict", verdict_json(report.verdict, bounds.tags)},
                        {"steps", nlohmann::json::array()},
                        {"not_visible", report.not_visible},
                        {"alternatives", report.alternatives},
                        {"confirm", confirm_json(report.confirm)},
                        {"coverage", to_json(report.coverage)}};
    for (const hunt::Suspect& suspect : report.suspects)
        json["suspects"].push_back(suspect_json(report, suspect, bounds));
    for (const hunt::HuntStep& step : report.steps)
        json["steps"].push_back({{"text", step.text}, {"done", step.done}, {"outcome", json_text(step.outcome)}});
    return json;
}

} // namespace poolkd::render
