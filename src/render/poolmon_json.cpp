#include "render/poolmon.h"
#include "render/snapshot_json.h"

namespace poolkd::render {

namespace {

nlohmann::json row_json(const PoolmonRow& row) {
    nlohmann::json json = counts_json({row.key, row.allocs, row.frees, row.bytes});
    json["allocs_change"] = row.allocs_change;
    json["frees_change"] = row.frees_change;
    json["difference"] = row.difference;
    json["bytes_change"] = row.bytes_change;
    json["per_alloc"] = row.per_alloc;
    if (row.verdict) {
        json["verdict"] = hunt::to_text(row.verdict->verdict);
        json["confidence"] = row.verdict->confidence;
    }
    if (!row.driver.empty()) json["driver"] = row.driver;
    return json;
}

} // namespace

nlohmann::json poolmon_json(const PoolmonFrame& frame, const PoolmonView& view) {
    nlohmann::json json = snapshot_facts_json(*frame.now);
    json["command"] = "poolmon";
    json["stopped_ms"] = std::chrono::duration<double, std::milli>(frame.cost.stopped_last).count();
    const std::vector<PoolmonRow> rows = poolmon_rows(frame, view);
    // Whoever reads it later must not take a tag that the view left out for one that is gone.
    json["whole"] = frame.now->whole && rows.size() == frame.now->rows.size();
    nlohmann::json tags = nlohmann::json::array();
    for (const PoolmonRow& row : rows)
        tags.push_back(row_json(row));
    json["tags"] = std::move(tags);
    return json;
}

} // namespace poolkd::render
