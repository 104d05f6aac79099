#include "render/snapshot_json.h"

#include "render/coverage.h"
#include "render/quantity.h"

namespace poolkd::render {

namespace {

nlohmann::json memory_json(const hunt::MemoryFacts& memory) {
    nlohmann::json json = nlohmann::json::object();
    hunt::for_each_fact(memory, [&](const char* name, const std::optional<std::uint64_t>& value) {
        if (value) json[name] = *value;
    });
    return json;
}

} // namespace

nlohmann::json snapshot_facts_json(const hunt::Snapshot& snapshot) {
    nlohmann::json json = {{"machine", snapshot.machine},
                           {"activity", snapshot.activity},
                           {"whole", snapshot.whole},
                           {"memory", memory_json(snapshot.memory)},
                           {"coverage", to_json(snapshot.coverage)}};
    if (snapshot.time) json["time"] = iso_time(*snapshot.time);
    if (snapshot.time_assumed) json["time_assumed"] = true;
    if (snapshot.uptime) json["uptime_seconds"] = static_cast<double>(snapshot.uptime->count()) / 1000;
    return json;
}

nlohmann::json counts_json(const hunt::TagCounts& counts) {
    return {{"tag", counts.key.tag.text()}, {"value", counts.key.tag.value}, {"type", hunt::to_text(counts.key.kind)},
            {"allocs", counts.allocs},      {"frees", counts.frees},         {"bytes", counts.bytes}};
}

} // namespace poolkd::render
