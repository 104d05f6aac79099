#include "render/retag.h"

#include "base/text.h"
#include "render/coverage.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

namespace poolkd::render {

namespace {

using hunt::RetagPatch;
using hunt::RetagPlace;
using hunt::RetagPlan;
using hunt::RetagSite;
using hunt::RetagState;

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : std::string(between)) + word;
    return text;
}

/// "leaky!LeakyOpenStream+0x12 by MyAllocZeroed, MyAlloc"
std::string place_text(const RetagPlace& place) {
    return place.via.empty() ? place.text : fmt::format("{} by {}", place.text, joined(place.via, ", "));
}

void add_patches(TextTable& table, const std::vector<RetagPatch>& patches, PoolTag old, unsigned pointer_size) {
    for (const RetagPatch& patch : patches) {
        // Calls that share a constant have one row each, and the tag only once.
        bool first = true;
        for (const RetagPlace& place : patch.places) {
            table.add({first ? old.text() : "",
                       !first                     ? ""
                       : patch.new_tag.value == 0 ? "0"
                                                  : patch.new_tag.text(),
                       first ? format_address(patch.address.value, pointer_size) : "",
                       patch.kind == code::SiteKind::release ? "frees" : "allocates", place.source, place_text(place)});
            first = false;
        }
    }
}

nlohmann::json place_json(const RetagPlace& place) {
    return {{"site", place.text}, {"source", place.source}, {"api", place.api}, {"via", place.via}};
}

nlohmann::json patch_json(PoolTag old, const RetagPatch& patch) {
    nlohmann::json json{{"address", json_address(patch.address)},
                        {"old_tag", old.text()},
                        {"new_tag", patch.new_tag.value == 0 ? "" : patch.new_tag.text()},
                        {"new_value", patch.new_tag.value},
                        {"in_data", patch.in_data}};
    json["sites"] = nlohmann::json::array();
    for (const RetagPlace& place : patch.places)
        json["sites"].push_back(place_json(place));
    return json;
}

std::string retag_sentence(const std::string& text) {
    return wrapped(text.ends_with('.') ? text : text + ".", text_width);
}

std::string reason_text(const std::string& why, bool stands) {
    return retag_sentence(fmt::format("{}: {}", stands ? "Refused" : "In spite of", why));
}

/// Sites that have the old tag still: how many, and the first of them.
std::string others_text(const RetagState& state) {
    auto some = [](const std::vector<RetagPlace>& places, std::string_view does) {
        return fmt::format("{} site{} {}{} with it: {}{}", places.size(), places.size() == 1 ? "" : "s", does,
                           places.size() == 1 ? "s" : "", places.front().text, places.size() == 1 ? "" : " and others");
    };
    std::string text;
    if (!state.other_allocations.empty())
        text +=
            retag_sentence("Not changed, and counted under the old tag: " + some(state.other_allocations, "allocate"));
    if (!state.other_releases.empty())
        text += retag_sentence("Warning: " + some(state.other_releases, "free") +
                               ". Where a block with a new tag comes to it, that is bug check C2/0A; !retag /undo");
    return text;
}

pool::PoolCounts both(const pool::TagUsage& usage) {
    pool::PoolCounts sum = usage.nonpaged;
    sum.allocs += usage.paged.allocs;
    sum.frees += usage.paged.frees;
    sum.bytes += usage.paged.bytes;
    return sum;
}

std::vector<std::string> count_cells(const pool::TagUsage& usage) {
    const pool::PoolCounts counts = both(usage);
    return {fmt::to_string(counts.allocs), fmt::to_string(counts.frees), fmt::to_string(counts.outstanding()),
            fmt::to_string(counts.bytes)};
}

nlohmann::json counts_json(const pool::PoolCounts& counts) {
    return {{"allocs", counts.allocs},
            {"frees", counts.frees},
            {"outstanding", counts.outstanding()},
            {"bytes", counts.bytes}};
}

nlohmann::json usage_json_of(const pool::TagUsage& usage) {
    return {{"nonpaged", counts_json(usage.nonpaged)}, {"paged", counts_json(usage.paged)}};
}

std::string state_text(const RetagState& state) {
    const RetagState::Count allocations = RetagState::count(state.allocations);
    const RetagState::Count releases = RetagState::count(state.releases);
    std::string text =
        fmt::format("{}: {} of {} allocation sites have a tag of their own, {} of {} free sites pass 0\n",
                    tag_word(state.tag), allocations.open, allocations.sites, releases.open, releases.sites);
    using Align = TextTable::Align;
    TextTable table({{"Tag", Align::left}, {"Allocs"}, {"Frees"}, {"Blocks"}, {"Bytes"}, {"Site", Align::left}});
    auto add = [&](std::string tag, const pool::TagUsage& usage, std::string site) {
        std::vector<std::string> cells{std::move(tag)};
        for (std::string& cell : count_cells(usage))
            cells.push_back(std::move(cell));
        cells.push_back(std::move(site));
        table.add(std::move(cells));
    };
    for (const RetagSite& site : state.allocations)
        add(site.new_tag.text(), site.usage, site.places + (site.undone ? " (undone)" : ""));
    add(state.tag.text(), state.old, "from before, and of sites without a tag of their own");
    if (state.overflow)
        add(state.overflow->tag.text(), *state.overflow, "tags that found no room in the kernel's tables");
    return text + table.text() + others_text(state);
}

nlohmann::json state_json(const RetagState& state) {
    nlohmann::json json{{"tag", state.tag.text()}, {"value", state.tag.value}, {"open", state.open()}};
    json["since"] = std::chrono::duration_cast<std::chrono::seconds>(state.since.time_since_epoch()).count();
    auto site_json = [](const RetagSite& site) {
        return nlohmann::json{{"write", site.id},
                              {"address", json_address(site.address)},
                              {"sites", site.places},
                              {"undone", site.undone}};
    };
    json["allocations"] = nlohmann::json::array();
    for (const RetagSite& site : state.allocations) {
        nlohmann::json row = site_json(site);
        row["new_tag"] = site.new_tag.text();
        row["usage"] = usage_json_of(site.usage);
        json["allocations"].push_back(std::move(row));
    }
    json["frees"] = nlohmann::json::array();
    for (const RetagSite& site : state.releases)
        json["frees"].push_back(site_json(site));
    json["old_usage"] = usage_json_of(state.old);
    for (const char* name : {"other_allocations", "other_frees"})
        json[name] = nlohmann::json::array();
    for (const RetagPlace& place : state.other_allocations)
        json["other_allocations"].push_back(place_json(place));
    for (const RetagPlace& place : state.other_releases)
        json["other_frees"].push_back(place_json(place));
    if (state.overflow) json["overflow"] = usage_json_of(*state.overflow);
    return json;
}

} // namespace

std::string retag_plan_text(const RetagPlan& plan, const RetagView& view, unsigned pointer_size) {
    std::string text;
    if (!plan.releases.empty() || !plan.allocations.empty()) {
        using Align = TextTable::Align;
        TextTable table({{"Old", Align::left},
                         {"New", Align::left},
                         {"Constant at", Align::left},
                         {"", Align::left},
                         {"Source", Align::left},
                         {"Site", Align::left}});
        add_patches(table, plan.releases, plan.tag, pointer_size);
        add_patches(table, plan.allocations, plan.tag, pointer_size);
        text += table.text();
    }
    for (const hunt::NotSeparable& site : plan.not_separable)
        text += wrapped(fmt::format("{} keeps its tag: {}.", place_text(site.place), site.why), text_width);
    for (const std::string& note : plan.notes)
        text += retag_sentence(note);
    if (!view.verbose) {
        const auto reasons = plan.reasons(view.force);
        for (const RetagPlan::Reason& reason : reasons)
            text += reason_text(reason.text, reason.stands);
        if (reasons.size() < plan.obstacles.size() || !plan.details.empty()) text += "/v shows each by itself.\n";
        return text;
    }
    for (const std::string& detail : plan.details)
        text += retag_sentence(detail);
    for (const hunt::RetagObstacle& obstacle : plan.obstacles)
        text += reason_text(obstacle.why, !view.force || !obstacle.forceable);
    return text;
}

nlohmann::json retag_plan_json(const RetagPlan& plan, bool force, const std::vector<std::uint32_t>& written) {
    nlohmann::json json{{"tag", plan.tag.text()}, {"value", plan.tag.value}, {"possible", plan.possible(force)},
                        {"writes", written},      {"notes", plan.notes},     {"details", plan.details}};
    for (const char* name : {"frees", "allocations", "not_separable", "obstacles"})
        json[name] = nlohmann::json::array();
    for (const RetagPatch& patch : plan.releases)
        json["frees"].push_back(patch_json(plan.tag, patch));
    for (const RetagPatch& patch : plan.allocations)
        json["allocations"].push_back(patch_json(plan.tag, patch));
    for (const hunt::NotSeparable& site : plan.not_separable) {
        nlohmann::json row = place_json(site.place);
        row["why"] = site.why;
        json["not_separable"].push_back(std::move(row));
    }
    for (const hunt::RetagObstacle& obstacle : plan.obstacles)
        json["obstacles"].push_back({{"why", obstacle.why}, {"forceable", obstacle.forceable}});
    return json;
}

std::string retag_state_text(const Answer<std::vector<RetagState>>& states) {
    if (states.value.empty()) return "No tag is retagged. !retag Tag gives each of its call sites a tag of its own.\n";
    std::string text;
    for (const RetagState& state : states.value)
        text += (text.empty() ? "" : "\n") + state_text(state);
    if (!states.coverage.complete()) text += states.coverage.sentence() + "\n";
    return text;
}

nlohmann::json retag_state_json(const Answer<std::vector<RetagState>>& states) {
    nlohmann::json json{{"coverage", to_json(states.coverage)}};
    json["tags"] = nlohmann::json::array();
    for (const RetagState& state : states.value)
        json["tags"].push_back(state_json(state));
    return json;
}

std::string retag_undo_text(const control::UndoOutcome& outcome) {
    std::string text;
    for (std::uint32_t id : outcome.undone)
        text += fmt::format("Write {} undone.\n", id);
    return text;
}

nlohmann::json retag_undo_json(const control::UndoOutcome& outcome) {
    nlohmann::json json{{"undone", outcome.undone}, {"only_leaked_left", outcome.only_leaked_left}};
    json["kept"] = nlohmann::json::array();
    for (const auto& kept : outcome.kept)
        json["kept"].push_back({{"write", kept.id}, {"why", kept.why}});
    return json;
}

std::string retag_kept_text(const control::UndoOutcome& outcome) {
    std::string text;
    for (const auto& kept : outcome.kept)
        text += fmt::format("Write {} stays: {}.\n", kept.id, kept.why);
    return text + (outcome.only_leaked_left
                       ? "No block of these tags was ever freed: they look leaked. If they are, no free site will meet "
                         "them, and !retag /undo /force does no harm; to be surer, let the target run longer and look "
                         "again."
                       : "Let the target run until these blocks are gone and undo again; /force does not wait.");
}

} // namespace poolkd::render
