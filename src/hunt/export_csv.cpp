#include "hunt/export.h"

#include <fmt/format.h>

#include <iterator>

namespace poolkd::hunt {

namespace {

/// Blanks are kept as they are, since they belong to the tag.
std::string csv_tag(PoolTag tag) {
    if (!tag.printable()) return fmt::format("0x{:08x}", tag.value);
    std::string text = tag.text();
    if (text.front() != ' ' && text.find_first_of(",;\"") == std::string::npos) return text;
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

} // namespace

Result<void> append_csv(std::string& out, const Snapshot& snapshot) {
    if (!snapshot.time)
        return fail(ErrorKind::unsupported,
                    "CSV needs times, and {} states none; give the interval between its snapshots", snapshot.evidence);
    const std::int64_t milliseconds = snapshot.time->time_since_epoch().count();
    const std::string time = milliseconds % 1000 == 0
                                 ? fmt::to_string(milliseconds / 1000)
                                 : fmt::format("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
    for (const TagCounts& row : snapshot.rows) {
        fmt::format_to(std::back_inserter(out), "{},{},{},{},", time, csv_tag(row.key.tag), to_text(row.key.kind),
                       row.allocs);
        if (snapshot.activity) fmt::format_to(std::back_inserter(out), "{}", row.frees);
        fmt::format_to(std::back_inserter(out), ",{}\n", row.bytes);
    }
    return {};
}

} // namespace poolkd::hunt
