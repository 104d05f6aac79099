#include "render/csv.h"

#include "hunt/counters.h"
#include "render/quantity.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

std::string csv_field(std::string_view field) {
    const bool plain =
        field.find_first_of(",;\t\"\r\n") == std::string_view::npos && !field.starts_with(' ') && !field.ends_with(' ');
    if (plain) return std::string(field);
    std::string out = "\"";
    for (char c : field) {
        if (c == '"') out += '"';
        out += c;
    }
    return out + '"';
}

} // namespace

std::string csv_line(const std::vector<std::string>& fields) {
    std::string line;
    for (std::size_t i = 0; i < fields.size(); ++i)
        line += (i != 0 ? "," : "") + csv_field(fields[i]);
    return line + "\n";
}

std::string csv_tag(PoolTag tag) {
    return tag.printable() ? tag.text() : fmt::format("{:#010x}", tag.value);
}

std::string snapshot_csv_header(bool activity) {
    return activity ? "time,tag,type,allocs,frees,bytes\n" : "time,tag,type,outstanding,bytes\n";
}

void add_snapshot_csv_row(std::string& out, const hunt::Snapshot& snapshot, const hunt::TagCounts& row, bool activity) {
    fmt::format_to(std::back_inserter(out), "{},{},{},", snapshot.time ? iso_time(*snapshot.time) : std::string(),
                   csv_field(csv_tag(row.key.tag)), hunt::to_text(row.key.kind));
    if (activity) {
        fmt::format_to(std::back_inserter(out), "{},{},{}\n", row.allocs, row.frees, row.bytes);
    } else {
        fmt::format_to(std::back_inserter(out), "{},{}\n", hunt::blocks_in_use(row), row.bytes);
    }
}

} // namespace poolkd::render
