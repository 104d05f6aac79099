#include "render/verdict.h"

#include "render/coverage.h"
#include "render/csv.h"
#include "render/evidence_head.h"
#include "render/quantity.h"
#include "render/table.h"
#include "render/verdict_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace poolkd::render {

namespace {

using hunt::TagVerdict;
using hunt::Verdict;

constexpr std::size_t row_spark_width = 12;
constexpr std::size_t unproven_rows = 5; ///< shown of the largest tags when none leaks or grows

/// It grows, or stands in a fixed ratio to one that does.
bool matters(const TagVerdict& row) {
    return row.verdict == Verdict::leaking || row.verdict == Verdict::growing || row.group;
}

/// The rows of the table: those that matter, or all; when none matters the largest.
std::vector<const TagVerdict*> shown_rows(const hunt::Report& report, const VerdictView& view) {
    std::vector<const TagVerdict*> rows;
    for (const TagVerdict& row : report.rows)
        if (view.all || matters(row)) rows.push_back(&row);
    std::size_t most = view.rows == 0 ? rows.size() : view.rows;
    if (rows.empty()) {
        for (const TagVerdict& row : report.rows)
            rows.push_back(&row);
        std::ranges::sort(rows, [](const TagVerdict* a, const TagVerdict* b) {
            if (a->figures.bytes != b->figures.bytes) return a->figures.bytes > b->figures.bytes;
            return a->key < b->key;
        });
        most = unproven_rows;
    }
    if (rows.size() > most) rows.resize(most);
    return rows;
}

std::string driver_text(const TagVerdict& row) {
    return row.binary.empty() ? row.description : row.binary;
}

std::string per_block_text(const hunt::Figures& figures) {
    if (!figures.bytes_per_block) return "-";
    return (figures.uniform_sizes ? "" : "~") + size_text(*figures.bytes_per_block);
}

std::vector<std::string> cells_of(const TagVerdict& row, ChartStyle style) {
    const hunt::Figures& figures = row.figures;
    const bool course = figures.samples >= 2;
    return {row.key.tag.text(),
            std::string(hunt::to_text(row.key.kind)),
            std::string(hunt::to_text(row.verdict)),
            row.verdict == Verdict::undecided ? "-" : percent_text(row.confidence),
            size_text(static_cast<double>(figures.bytes)),
            course ? change_text(static_cast<double>(figures.bytes_gained)) : "-",
            figures.bytes_per_hour ? change_text(*figures.bytes_per_hour) : "-",
            figures.freed_share ? percent_text(*figures.freed_share) : "-",
            per_block_text(figures),
            course ? sparkline(row.chart, row_spark_width, style) : "",
            driver_text(row)};
}

std::string table_text(const std::vector<const TagVerdict*>& rows, ChartStyle style) {
    using enum TextTable::Align;
    TextTable table({{"Tag", left},
                     {"Pool", left},
                     {"Verdict", left},
                     {"Sure"},
                     {"In use"},
                     {"Gained"},
                     {"Per hour"},
                     {"Freed"},
                     {"A block"},
                     {"Course", left},
                     {"Driver", left}},
                    text_width);
    for (const TagVerdict* row : rows)
        table.add(cells_of(*row, style));
    const std::vector<std::string> lines = table.lines();
    std::string text = lines[0] + "\n";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        text += lines[i + 1] + "\n";
        if (!matters(*rows[i])) continue;
        if (!rows[i]->binary.empty() && !rows[i]->description.empty())
            text += wrapped(rows[i]->description, text_width, "      ", "      ");
        for (const std::string& reason : rows[i]->reasons)
            text += wrapped(reason + (reason.ends_with('.') ? "" : "."), text_width, "      - ", "        ");
    }
    return text;
}

/// "312 other tags: 2 growing, 280 flat, 30 sawtooth (--all shows them)."
std::string rest_text(const hunt::Report& report, const std::vector<const TagVerdict*>& shown,
                      const VerdictView& view) {
    constexpr std::array order{Verdict::leaking,  Verdict::growing, Verdict::flat,
                               Verdict::sawtooth, Verdict::falling, Verdict::undecided};
    std::array<std::size_t, order.size()> counts{};
    auto place = [&](const TagVerdict& row) {
        return static_cast<std::size_t>(std::ranges::find(order, row.verdict) - order.begin());
    };
    for (const TagVerdict& row : report.rows)
        ++counts[place(row)];
    for (const TagVerdict* row : shown)
        --counts[place(*row)];
    const std::size_t rest = report.rows.size() - shown.size();
    if (rest == 0) return {};
    std::string text;
    for (std::size_t i = 0; i < order.size(); ++i)
        if (counts[i] != 0)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_text(static_cast<std::int64_t>(counts[i])),
                                hunt::to_text(order[i]));
    return fmt::format("{} other tag{}: {} ({} shows {}).\n", count_text(static_cast<std::int64_t>(rest)),
                       rest == 1 ? "" : "s", text, view.all ? "--top 0" : "--all", rest == 1 ? "it" : "them");
}

std::string advice_text(const std::vector<hunt::Advice>& advice) {
    if (advice.empty()) return {};
    std::string text = "\nNext:\n";
    for (const hunt::Advice& one : advice) {
        const std::string why = one.why + (one.why.ends_with('.') ? "" : ".");
        text += wrapped(why, text_width, "  - ", "    ");
        if (!one.command.empty()) text += "      " + one.command + "\n";
    }
    return text;
}

std::string notes_text(const hunt::Report& report) {
    if (report.notes.empty() && report.coverage.complete()) return {};
    std::string text = "\nNotes:\n";
    for (const std::string& note : report.notes)
        text += wrapped(note, text_width, "  - ", "    ");
    if (!report.coverage.complete()) text += wrapped(report.coverage.sentence(), text_width, "  - ", "    ");
    return text;
}

// --- for programs ---------------------------------------------------------------------------------------------------

nlohmann::json figures_json(const hunt::Figures& figures) {
    return {{"samples", figures.samples},
            {"blocks", figures.blocks},
            {"bytes", figures.bytes},
            {"blocks_gained", figures.blocks_gained},
            {"bytes_gained", figures.bytes_gained},
            {"share", json_optional(figures.share)},
            {"freed_share", json_optional(figures.freed_share)},
            {"bytes_per_hour", json_optional(figures.bytes_per_hour)},
            {"blocks_per_hour", json_optional(figures.blocks_per_hour)},
            {"rising_share", json_optional(figures.rising_share)},
            {"trend_p", json_optional(figures.trend_p)},
            {"recent_pace", json_optional(figures.recent_pace)},
            {"residence_ratio", json_optional(figures.residence_ratio)},
            {"bytes_per_block", json_optional(figures.bytes_per_block)},
            {"uniform_sizes", figures.uniform_sizes},
            {"exhausted_hours", json_optional(figures.exhausted_hours)}};
}

nlohmann::json row_json(const hunt::Report& report, const TagVerdict& row) {
    nlohmann::json json = figures_json(row.figures);
    const TagVerdict* owner = owner_of(report, row);
    json["tag"] = row.key.tag.text();
    json["value"] = row.key.tag.value;
    json["type"] = hunt::to_text(row.key.kind);
    json["verdict"] = hunt::to_text(row.verdict);
    json["confidence"] = row.confidence;
    json["reasons"] = row.reasons;
    json["group"] = row.group ? nlohmann::json(*row.group + 1) : nlohmann::json();
    json["owner"] = owner ? nlohmann::json(owner->key.tag.text()) : nlohmann::json();
    json["owner_binary"] = owner ? json_text(owner->binary) : nlohmann::json();
    json["binary"] = json_text(row.binary);
    json["description"] = json_text(row.description);
    return json;
}

nlohmann::json group_json(const hunt::Report& report, const hunt::LeakGroup& group) {
    nlohmann::json json{{"tags", nlohmann::json::array()},
                        {"types", nlohmann::json::array()},
                        {"ratios", nlohmann::json::array()},
                        {"layers", nlohmann::json::array()},
                        {"confidence", group.confidence},
                        {"reason", group.reason},
                        {"bytes", group.bytes},
                        {"bytes_per_hour", json_optional(group.bytes_per_hour)}};
    for (const hunt::LeakGroup::Member& member : group.members) {
        const TagVerdict& row = report.rows[member.row];
        json["tags"].push_back(row.key.tag.text());
        json["types"].push_back(hunt::to_text(row.key.kind));
        json["ratios"].push_back(member.ratio);
        json["layers"].push_back(json_text(member.layer));
    }
    const TagVerdict& owner = report.rows[group.members.front().row];
    json["owner"] = owner.key.tag.text();
    json["owner_binary"] = json_text(owner.binary);
    return json;
}

} // namespace

std::string verdict_text(const hunt::Report& report, const VerdictView& view) {
    std::string text = head_text(report) + "\n" + wrapped(headline(report), text_width);
    for (const hunt::LeakGroup& group : report.groups)
        text += wrapped(group_text(report, group), text_width, "  ", "  ");
    const std::vector<const TagVerdict*> shown = shown_rows(report, view);
    if (!shown.empty()) text += "\n" + table_text(shown, view.style);
    text += rest_text(report, shown, view);
    return text + advice_text(report.advice) + notes_text(report);
}

nlohmann::json verdict_json(const hunt::Report& report, std::size_t rows) {
    nlohmann::json json{{"command", "verdict"},
                        {"headline", headline(report)},
                        {"rows_total", report.rows.size()},
                        {"rows", nlohmann::json::array()},
                        {"groups", nlohmann::json::array()},
                        {"advice", nlohmann::json::array()},
                        {"notes", report.notes},
                        {"coverage", to_json(report.coverage)}};
    add_head_json(json, report);
    for (const TagVerdict& row : report.rows) {
        if (rows != 0 && json["rows"].size() == rows) break;
        json["rows"].push_back(row_json(report, row));
    }
    for (const hunt::LeakGroup& group : report.groups)
        json["groups"].push_back(group_json(report, group));
    for (const hunt::Advice& one : report.advice)
        json["advice"].push_back({{"command", json_text(one.command)}, {"why", one.why}});
    return json;
}

std::string verdict_csv(const hunt::Report& report, std::size_t rows) {
    constexpr const char* names[] = {"tag",
                                     "type",
                                     "verdict",
                                     "confidence",
                                     "group",
                                     "owner",
                                     "owner_binary",
                                     "binary",
                                     "description",
                                     "samples",
                                     "blocks",
                                     "bytes",
                                     "blocks_gained",
                                     "bytes_gained",
                                     "share",
                                     "freed_share",
                                     "blocks_per_hour",
                                     "bytes_per_hour",
                                     "rising_share",
                                     "trend_p",
                                     "recent_pace",
                                     "residence_ratio",
                                     "bytes_per_block",
                                     "uniform_sizes",
                                     "exhausted_hours",
                                     "reasons"};
    std::string text = csv_line({std::begin(names), std::end(names)});
    std::size_t written = 0;
    for (const TagVerdict& row : report.rows) {
        if (rows != 0 && written++ == rows) break;
        const nlohmann::json json = row_json(report, row);
        std::vector<std::string> fields;
        for (const char* name : names) {
            const nlohmann::json& value = json.at(name);
            if (value.is_null()) {
                fields.emplace_back();
            } else if (value.is_string()) {
                fields.push_back(value);
            } else if (value.is_array()) {
                fields.emplace_back();
                for (const std::string& reason : row.reasons)
                    fields.back() += (fields.back().empty() ? "" : "; ") + reason;
            } else {
                fields.push_back(value.dump());
            }
        }
        // A tag that cannot be printed is exact here, as in our tables of snapshots.
        fields.front() = csv_tag(row.key.tag);
        text += csv_line(fields);
    }
    return text;
}

} // namespace poolkd::render
