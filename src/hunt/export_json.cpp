#include "hunt/export.h"
#include "hunt/iso_time.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <iterator>

namespace poolkd::hunt {

namespace {

/// As a JSON text with its quotes; what is no UTF-8 is replaced.
std::string json_text(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string memory_json(const MemoryFacts& memory) {
    std::string out;
    for_each_fact(memory, [&](std::string_view name, const std::optional<std::uint64_t>& value) {
        if (value) fmt::format_to(std::back_inserter(out), "{}\"{}\": {}", out.empty() ? "" : ", ", name, *value);
    });
    return out;
}

} // namespace

void append_json_line(std::string& out, const Snapshot& snapshot) {
    auto put = [&]<class... Args>(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
    };
    out += '{';
    if (snapshot.time) put("\"time\": \"{}\", ", iso_time(*snapshot.time));
    if (snapshot.time && snapshot.time_assumed) put("\"time_assumed\": true, ");
    if (!snapshot.machine.empty()) put("\"machine\": {}, ", json_text(snapshot.machine));
    if (snapshot.uptime) {
        const std::int64_t uptime = snapshot.uptime->count();
        put("\"uptime_seconds\": {}.{:03}, ", uptime / 1000, uptime % 1000);
    }
    if (!snapshot.activity) put("\"activity\": false, ");
    put("\"whole\": {}, ", snapshot.whole);
    if (const std::string memory = memory_json(snapshot.memory); !memory.empty()) put("\"memory\": {{{}}}, ", memory);
    if (!snapshot.coverage.complete())
        put("\"coverage\": {{\"complete\": false, \"bytes_read\": {}, \"bytes_missing\": {}, \"sentence\": {}}}, ",
            snapshot.coverage.read(), snapshot.coverage.missing(), json_text(snapshot.coverage.sentence()));
    out += "\"tags\": [";
    for (const TagCounts& row : snapshot.rows) {
        if (&row != snapshot.rows.data()) out += ", ";
        put("{{\"tag\": {}, ", json_text(row.key.tag.text()));
        if (!row.key.tag.printable()) put("\"value\": {}, ", row.key.tag.value);
        put("\"type\": \"{}\", \"allocs\": {}, \"frees\": {}, \"bytes\": {}}}", to_text(row.key.kind), row.allocs,
            row.frees, row.bytes);
    }
    out += "]}\n";
}

} // namespace poolkd::hunt
