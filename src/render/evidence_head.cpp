#include "render/evidence_head.h"

#include "hunt/evidence_name.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

constexpr std::size_t shown_evidence = 3;

std::string line(std::string_view name, const std::string& text) {
    const std::string first = fmt::format("{:<11}", fmt::format("{}:", name));
    return wrapped(text, text_width, first, std::string(first.size(), ' '));
}

/// The files, each once, without the places in them.
std::vector<std::string> files_of(const std::vector<std::string>& evidence) {
    std::vector<std::string> files;
    for (const std::string& one : evidence)
        hunt::note_file(files, one);
    return files;
}

std::string evidence_text(const std::vector<std::string>& evidence) {
    if (evidence.empty()) return "not named";
    return hunt::names_text(evidence, shown_evidence);
}

template <class Evidence>
std::string times_text(const Evidence& evidence) {
    const std::string snapshots = evidence.snapshots == 1
                                      ? "one snapshot"
                                      : count_text(static_cast<std::int64_t>(evidence.snapshots)) + " snapshots";
    if (!evidence.first || !evidence.last) return snapshots + " that bear no time";
    const std::string assumed = evidence.times_assumed ? "; times are assumed, not of the evidence itself" : "";
    if (evidence.snapshots == 1) return fmt::format("{} UTC, {}{}", time_text(*evidence.last), snapshots, assumed);
    return fmt::format("{} to {} UTC ({}), {}{}", time_text(*evidence.first), time_text(*evidence.last),
                       hours_text(*span_hours(evidence)), snapshots, assumed);
}

template <class Evidence>
std::string common_text(const Evidence& evidence) {
    std::string text = line("Evidence", evidence_text(files_of(evidence.evidence)));
    if (!evidence.machine.empty()) text += line("Machine", evidence.machine);
    text += line("Time", times_text(evidence));
    if (evidence.uptime)
        text += line("Uptime", hours_text(static_cast<double>(evidence.uptime->count()) / 3.6e6) + " at the end");
    if (evidence.restarts != 0)
        text += line("Restarts",
                     fmt::format("{}; counters began anew, so each stretch counts for itself", evidence.restarts));
    if (!evidence.activity) text += line("Missing", "allocations and frees: this evidence tells only what is in use");
    if (!evidence.whole) text += line("Missing", "tags: the evidence does not list them all");
    return text;
}

template <class Evidence>
void add_common_json(nlohmann::json& json, const Evidence& evidence) {
    json["snapshots"] = evidence.snapshots;
    json["first"] = json_time(evidence.first);
    json["last"] = json_time(evidence.last);
    json["times_assumed"] = evidence.times_assumed;
    json["uptime_seconds"] =
        evidence.uptime ? nlohmann::json(static_cast<double>(evidence.uptime->count()) / 1000) : nlohmann::json();
    json["machine"] = json_text(evidence.machine);
    json["evidence"] = files_of(evidence.evidence);
    json["restarts"] = evidence.restarts;
    json["activity"] = evidence.activity;
    json["whole"] = evidence.whole;
}

std::string memory_text(const hunt::MemoryFacts& memory) {
    std::string text;
    auto add = [&](const std::optional<std::uint64_t>& value, std::string_view what) {
        if (!value) return;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", size_text(static_cast<double>(*value)), what);
    };
    add(memory.physical, "physical");
    add(memory.available, "available");
    add(memory.commit, "committed");
    add(memory.commit_limit, "commit limit");
    add(memory.nonpaged_limit, "nonpaged pool at most");
    add(memory.paged_limit, "paged pool at most");
    return text;
}

} // namespace

std::string head_text(const hunt::Report& report) {
    std::string text = common_text(report);
    if (report.wraps != 0) text += line("Wraps", fmt::format("{} of 32-bit counters, allowed for", report.wraps));
    text += line("Pool", fmt::format("{} paged, {} nonpaged{}", size_text(static_cast<double>(report.paged_bytes)),
                                     size_text(static_cast<double>(report.nonpaged_bytes)),
                                     report.whole ? "" : " in the tags that are listed"));
    if (const std::string memory = memory_text(report.memory); !memory.empty()) text += line("Memory", memory);
    return text;
}

std::string head_text(const hunt::Trend& trend) {
    return common_text(trend);
}

void add_head_json(nlohmann::json& json, const hunt::Report& report) {
    add_common_json(json, report);
    json["wraps"] = report.wraps;
    json["nonpaged_bytes"] = report.nonpaged_bytes;
    json["paged_bytes"] = report.paged_bytes;
    hunt::for_each_fact(report.memory, [&](const char* name, const std::optional<std::uint64_t>& value) {
        json["memory"][name] = json_optional(value);
    });
}

void add_head_json(nlohmann::json& json, const hunt::Trend& trend) {
    add_common_json(json, trend);
}

nlohmann::json json_time(const std::optional<hunt::Time>& time) {
    return time ? nlohmann::json(iso_time(*time)) : nlohmann::json();
}

nlohmann::json json_text(const std::string& text) {
    return text.empty() ? nlohmann::json() : nlohmann::json(text);
}

} // namespace poolkd::render
