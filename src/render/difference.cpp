#include "render/difference.h"

#include "render/coverage.h"
#include "render/csv.h"
#include "render/evidence_head.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::render {

namespace {

using hunt::TagDifference;
using Presence = TagDifference::Presence;

std::string_view presence_word(Presence presence) {
    switch (presence) {
    case Presence::both: return "both";
    case Presence::appeared: return "new";
    case Presence::gone: return "gone";
    case Presence::only_before: return "only_before";
    case Presence::only_after: break;
    }
    return "only_after";
}

bool changed(const TagDifference& row) {
    return row.bytes() != 0 || row.blocks() != 0;
}

std::string side_text(std::string_view name, const hunt::DifferenceSide& side) {
    std::string text = side.evidence.empty() ? "not named" : side.evidence;
    if (!side.machine.empty()) text += ", " + side.machine;
    if (side.time) text += fmt::format(", {} UTC{}", time_text(*side.time), side.time_assumed ? " (assumed)" : "");
    if (side.uptime) text += fmt::format(", up {}", hours_text(static_cast<double>(side.uptime->count()) / 3.6e6));
    return wrapped(text, text_width, fmt::format("{:<9}", name), std::string(9, ' '));
}

std::string pool_text(const hunt::Difference& difference) {
    auto one = [](std::string_view pool, std::int64_t before, std::int64_t after) {
        return fmt::format("{} {} ({})", pool, size_text(static_cast<double>(after)),
                           change_text(static_cast<double>(after - before)));
    };
    return fmt::format("{:<9}{}, {}\n",
                       "Pool:", one("paged", difference.before.paged_bytes, difference.after.paged_bytes),
                       one("nonpaged", difference.before.nonpaged_bytes, difference.after.nonpaged_bytes));
}

std::string head(const hunt::Difference& difference) {
    std::string text = side_text("Before:", difference.before) + side_text("After:", difference.after);
    if (difference.hours) text += fmt::format("{:<9}{}\n", "Between:", hours_text(*difference.hours));
    if (difference.before.whole && difference.after.whole) text += pool_text(difference);
    auto note = [&](std::string_view sentence) { text += wrapped(sentence, text_width); };
    if (difference.turned) note("The second is the older one; they are compared the other way round.");
    if (difference.other_machine) note("These are two machines: what differs need not have changed.");
    if (difference.restarted)
        note("The machine was restarted in between: counters began anew, so only what is in use is compared.");
    if (difference.wraps != 0)
        note(fmt::format("{} 32-bit counters wrapped in between; that is allowed for.", difference.wraps));
    if (!difference.activity && !difference.restarted)
        note("Allocations and frees are not compared: the evidence tells only what is in use.");
    return text;
}

std::vector<std::string> cells_of(const TagDifference& row) {
    auto bytes = [](const std::optional<hunt::InUse>& in_use) {
        return in_use ? size_text(static_cast<double>(in_use->bytes)) : "?";
    };
    auto activity = [](const std::optional<std::uint64_t>& count) {
        return count ? count_text(static_cast<std::int64_t>(*count)) : "-";
    };
    const char* remark = row.presence == Presence::appeared ? "new" : row.presence == Presence::gone ? "gone" : "";
    return {row.key.tag.text(),
            std::string(hunt::to_text(row.key.kind)),
            bytes(row.before),
            bytes(row.after),
            change_text(static_cast<double>(row.bytes())),
            row.bytes_per_hour ? change_text(*row.bytes_per_hour) : "-",
            count_change_text(row.blocks()),
            activity(row.allocs),
            activity(row.frees),
            row.freed_share ? percent_text(*row.freed_share) : "-",
            remark};
}

/// The most grown and, from the other end, the most shrunk: the rows that changed most, in their order.
std::vector<const TagDifference*> shown_rows(const hunt::Difference& difference, const DifferenceView& view) {
    std::vector<const TagDifference*> rows;
    for (const TagDifference& row : difference.rows)
        if (row.comparable() && (view.all || changed(row))) rows.push_back(&row);
    if (view.rows == 0 || rows.size() <= view.rows) return rows;
    auto size = [](const TagDifference* row) { return row->bytes() < 0 ? -row->bytes() : row->bytes(); };
    std::vector<const TagDifference*> largest = rows;
    std::ranges::sort(largest, [&](const TagDifference* a, const TagDifference* b) {
        return size(a) != size(b) ? size(a) > size(b) : a->key < b->key;
    });
    largest.resize(view.rows);
    std::ranges::sort(largest, {}, [](const TagDifference* row) { return row; }); // they lie in one list, in its order
    return largest;
}

std::string rest_text(const hunt::Difference& difference, const std::vector<const TagDifference*>& shown) {
    std::size_t unchanged = 0, more = 0, unknown = 0;
    for (const TagDifference& row : difference.rows) {
        if (!row.comparable()) {
            ++unknown;
        } else if (changed(row)) {
            ++more;
        } else {
            ++unchanged;
        }
    }
    for (const TagDifference* row : shown)
        --(changed(*row) ? more : unchanged);
    std::string text;
    auto add = [&](std::size_t count, std::string_view what) {
        if (count != 0)
            text +=
                fmt::format("{}{} {}", text.empty() ? "" : "; ", count_text(static_cast<std::int64_t>(count)), what);
    };
    add(more, "more that changed less (--top)");
    add(unchanged, "unchanged (--all)");
    add(unknown, "in one snapshot only, where the other does not list all tags");
    return text.empty() ? text : "Other tags: " + text + ".\n";
}

nlohmann::json side_json(const hunt::DifferenceSide& side) {
    return {{"evidence", json_text(side.evidence)},
            {"machine", json_text(side.machine)},
            {"time", json_time(side.time)},
            {"time_assumed", side.time_assumed},
            {"uptime_seconds",
             side.uptime ? nlohmann::json(static_cast<double>(side.uptime->count()) / 1000) : nlohmann::json()},
            {"activity", side.activity},
            {"whole", side.whole},
            {"nonpaged_bytes", side.nonpaged_bytes},
            {"paged_bytes", side.paged_bytes}};
}

nlohmann::json row_json(const TagDifference& row) {
    auto in_use = [](const std::optional<hunt::InUse>& value) -> nlohmann::json {
        if (!value) return {};
        return {{"blocks", value->blocks}, {"bytes", value->bytes}};
    };
    nlohmann::json json{{"tag", row.key.tag.text()},
                        {"value", row.key.tag.value},
                        {"type", hunt::to_text(row.key.kind)},
                        {"presence", presence_word(row.presence)},
                        {"before", in_use(row.before)},
                        {"after", in_use(row.after)},
                        {"allocs", json_optional(row.allocs)},
                        {"frees", json_optional(row.frees)},
                        {"freed_share", json_optional(row.freed_share)},
                        {"bytes_per_hour", json_optional(row.bytes_per_hour)},
                        {"blocks", nullptr},
                        {"bytes", nullptr}};
    if (row.comparable()) {
        json["blocks"] = row.blocks();
        json["bytes"] = row.bytes();
    }
    return json;
}

template <class Value>
std::string field(const std::optional<Value>& value) {
    return value ? fmt::format("{}", *value) : std::string();
}

} // namespace

std::string difference_text(const hunt::Difference& difference, const DifferenceView& view) {
    using enum TextTable::Align;
    std::string text = head(difference) + "\n";
    const std::vector<const TagDifference*> shown = shown_rows(difference, view);
    TextTable table({{"Tag", left},
                     {"Pool", left},
                     {"Before"},
                     {"After"},
                     {"Change"},
                     {"Per hour"},
                     {"Blocks"},
                     {"Allocs"},
                     {"Frees"},
                     {"Freed"},
                     {"", left}},
                    text_width);
    for (const TagDifference* row : shown)
        table.add(cells_of(*row));
    text += shown.empty() ? "No tag changed.\n" : table.text();
    text += rest_text(difference, shown);
    if (!difference.coverage.complete()) text += difference.coverage.sentence() + "\n";
    return text;
}

nlohmann::json difference_json(const hunt::Difference& difference, std::size_t rows) {
    nlohmann::json json{{"command", "diff"},
                        {"before", side_json(difference.before)},
                        {"after", side_json(difference.after)},
                        {"turned", difference.turned},
                        {"restarted", difference.restarted},
                        {"activity", difference.activity},
                        {"other_machine", difference.other_machine},
                        {"hours", json_optional(difference.hours)},
                        {"wraps", difference.wraps},
                        {"rows_total", difference.rows.size()},
                        {"rows", nlohmann::json::array()},
                        {"coverage", to_json(difference.coverage)}};
    for (const TagDifference& row : difference.rows) {
        if (rows != 0 && json["rows"].size() == rows) break;
        json["rows"].push_back(row_json(row));
    }
    return json;
}

std::string difference_csv(const hunt::Difference& difference, std::size_t rows) {
    std::string text = csv_line({"tag", "type", "presence", "bytes_before", "bytes_after", "bytes", "bytes_per_hour",
                                 "blocks_before", "blocks_after", "blocks", "allocs", "frees", "freed_share"});
    std::size_t written = 0;
    for (const TagDifference& row : difference.rows) {
        if (rows != 0 && written++ == rows) break;
        auto part = [](const std::optional<hunt::InUse>& in_use, std::int64_t hunt::InUse::* member) {
            return in_use ? std::to_string((*in_use).*member) : std::string();
        };
        text += csv_line({csv_tag(row.key.tag), std::string(hunt::to_text(row.key.kind)),
                          std::string(presence_word(row.presence)), part(row.before, &hunt::InUse::bytes),
                          part(row.after, &hunt::InUse::bytes), row.comparable() ? std::to_string(row.bytes()) : "",
                          field(row.bytes_per_hour), part(row.before, &hunt::InUse::blocks),
                          part(row.after, &hunt::InUse::blocks), row.comparable() ? std::to_string(row.blocks()) : "",
                          field(row.allocs), field(row.frees), field(row.freed_share)});
    }
    return text;
}

} // namespace poolkd::render
