#include "render/sites.h"

#include "base/text.h"
#include "render/coverage.h"
#include "render/evidence_head.h"
#include "render/quantity.h"
#include "render/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace poolkd::render {

namespace {

using code::PoolSite;
using code::SiteKind;
using code::TagSource;

constexpr std::size_t any_width = 1000; // names are not cut off: they are what the reader types next

/// What the sites of a module amount to.
struct SiteCounts {
    std::size_t sites = 0, shown = 0;
    std::size_t allocations = 0, releases = 0, lookasides = 0;
    std::size_t wrappers = 0;                      ///< sites that pass their function's argument on
    std::map<std::string, std::size_t> unresolved; ///< by why
    std::uint64_t code_bytes = 0;

    void add(const PoolSite& site) {
        ++sites;
        ++(site.kind == SiteKind::allocation ? allocations : site.kind == SiteKind::release ? releases : lookasides);
        if (site.tag_source == TagSource::parameter) ++wrappers;
        if (site.tag_source == TagSource::unresolved)
            ++unresolved[site.note.empty() ? "it is not a constant" : site.note];
    }
    void add(const SiteCounts& other) {
        sites += other.sites;
        shown += other.shown;
        allocations += other.allocations;
        releases += other.releases;
        lookasides += other.lookasides;
        wrappers += other.wrappers;
        code_bytes += other.code_bytes;
        for (const auto& [why, count] : other.unresolved)
            unresolved[why] += count;
    }
    [[nodiscard]] std::size_t unknown_tags() const {
        std::size_t sum = 0;
        for (const auto& [why, count] : unresolved)
            sum += count;
        return sum;
    }
};

SiteCounts count_sites(const SiteModule& module, const SiteView& view) {
    SiteCounts counts;
    if (!module.index) return counts;
    for (const PoolSite& site : module.index->sites)
        counts.add(site);
    counts.shown = select_sites(*module.index, view).size();
    counts.code_bytes = module.index->code_bytes;
    return counts;
}

std::string counted(std::size_t count, std::string_view one) {
    return fmt::format("{} {}{}", count_text(static_cast<std::int64_t>(count)), one, count == 1 ? "" : "s");
}

std::string sum_text(const SiteCounts& counts) {
    std::string text = fmt::format("{} in {} of code", counted(counts.sites, "site"),
                                   size_text(static_cast<double>(counts.code_bytes)));
    if (counts.sites == 0) return text;
    text += fmt::format(": {}, {}", counted(counts.allocations, "allocation"), counted(counts.releases, "release"));
    if (counts.lookasides != 0) text += ", " + counted(counts.lookasides, "lookaside list");
    if (counts.wrappers != 0)
        text += counts.wrappers == 1 ? "; 1 passes its caller's tag on"
                                     : fmt::format("; {} pass their caller's tag on", counts.wrappers);
    const std::size_t unknown = counts.unknown_tags();
    text += unknown == 0 ? "; no tag unresolved" : fmt::format("; {} unresolved", counted(unknown, "tag"));
    if (counts.shown != counts.sites) text += fmt::format("; {} shown", counts.shown);
    return text;
}

std::string tag_cell(const PoolSite& site) {
    if (!site.tag) return "-";
    return site.tag->value == 0 ? "0" : site.tag->bare().text();
}

/// The routine in the end, behind the wrappers on the way there.
std::string way_text(const PoolSite& site) {
    std::string text;
    for (std::size_t i = 0; i < site.via.size(); ++i) {
        const bool named = !site.via[i].empty();
        text += named ? site.via[i] : i < site.via_rvas.size() ? fmt::format("+{:#x}", site.via_rvas[i]) : "?";
        text += " > ";
    }
    return text + site.api;
}

std::string site_table(const SiteModule& module, const SiteView& view) {
    using enum TextTable::Align;
    const bool target = module.base.value != 0;
    TextTable table({{target ? "Address" : "RVA", right},
                     {"Kind", left},
                     {"Tag", left},
                     {"Pool", left},
                     {"Size", right},
                     {"Tag is", left},
                     {"Site", left},
                     {"Routine", left},
                     {"Source", left}},
                    any_width);
    for (const PoolSite* site : select_sites(*module.index, view))
        table.add({target ? format_address((module.base + site->rva).value, view.pointer_size)
                          : fmt::format("{:x}", site->rva),
                   std::string(site_kind_word(site->kind)), tag_cell(*site),
                   site->paged ? *site->paged ? "paged" : "nonpaged" : "-",
                   site->size ? fmt::to_string(*site->size) : "-", std::string(tag_source_word(site->tag_source)),
                   site_name(module.name, *site), way_text(*site), site->source});
    return table.empty() ? std::string() : table.text();
}

std::string notes_text(const SiteModule& module, const SiteCounts& counts, const SiteView& view) {
    std::string text;
    for (const auto& [why, count] : counts.unresolved)
        text += wrapped(fmt::format("Tag unresolved at {}: {}", counted(count, "site"), why), text_width, "  ", "    ");
    std::map<std::string, std::size_t> notes; // of the sites that are shown
    for (const PoolSite* site : select_sites(*module.index, view))
        if (site->tag_source != TagSource::unresolved && !site->note.empty()) ++notes[site->note];
    for (const auto& [note, count] : notes)
        text += wrapped(fmt::format("At {}: {}", counted(count, "site"), note), text_width, "  ", "    ");
    return text;
}

nlohmann::json site_json(const SiteModule& module, const PoolSite& site) {
    nlohmann::json json{{"rva", site.rva},
                        {"return_rva", site.return_rva == 0 ? nlohmann::json() : nlohmann::json(site.return_rva)},
                        {"function", json_text(site.function)},
                        {"function_rva", site.function_rva},
                        {"source", json_text(site.source)},
                        {"site", site_name(module.name, site)},
                        {"kind", site_kind_word(site.kind)},
                        {"api", json_text(site.api)},
                        {"via", nlohmann::json::array()},
                        {"tag", nullptr},
                        {"value", nullptr},
                        {"tag_source", tag_source_word(site.tag_source)},
                        {"tag_rva", json_optional(site.tag_rva)},
                        {"size", json_optional(site.size)},
                        {"pool_type", json_optional(site.pool_type)},
                        {"paged", json_optional(site.paged)},
                        {"note", json_text(site.note)}};
    for (std::size_t i = 0; i < site.via.size(); ++i)
        json["via"].push_back(
            {{"function", json_text(site.via[i])},
             {"rva", i < site.via_rvas.size() ? nlohmann::json(site.via_rvas[i]) : nlohmann::json()}});
    if (site.tag) {
        json["tag"] = site.tag->bare().text();
        json["value"] = site.tag->value;
    }
    if (module.base.value != 0) json["address"] = json_address(module.base + site.rva);
    return json;
}

} // namespace

std::string_view site_kind_word(SiteKind kind) {
    switch (kind) {
    case SiteKind::allocation: return "allocation";
    case SiteKind::release: return "release";
    case SiteKind::lookaside: return "lookaside";
    }
    return "unknown";
}

std::string_view tag_source_word(TagSource source) {
    switch (source) {
    case TagSource::constant: return "constant";
    case TagSource::data: return "data";
    case TagSource::fixed: return "fixed";
    case TagSource::none: return "none";
    case TagSource::parameter: return "parameter";
    case TagSource::unresolved: return "unresolved";
    }
    return "unknown";
}

std::vector<const PoolSite*> select_sites(const code::SiteIndex& index, const SiteView& view) {
    std::vector<const PoolSite*> selected;
    const bool usual = !view.unresolved && !view.all && view.tag_pattern.empty();
    for (const PoolSite& site : index.sites) {
        if (view.unresolved && site.tag_source != TagSource::unresolved) continue;
        if (!view.tag_pattern.empty() && !(site.tag && tag_matches(site.tag->bare(), view.tag_pattern))) continue;
        if (usual && (site.kind == SiteKind::release || site.tag_source == TagSource::parameter)) continue;
        selected.push_back(&site);
    }
    return selected;
}

std::string sites_text(const std::vector<SiteModule>& modules, const SiteView& view) {
    std::string text;
    SiteCounts total;
    for (const SiteModule& module : modules) {
        const SiteCounts counts = count_sites(module, view);
        total.add(counts);
        const bool incomplete = !module.error.empty() || (module.index && !module.index->coverage.complete());
        if (view.quiet_when_empty && counts.shown == 0 && !incomplete) continue;
        if (!text.empty()) text += "\n";
        text += fmt::format("{}: {}\n", module.heading, module.index ? sum_text(counts) : module.error);
        if (!module.index) continue;
        if (counts.shown != 0) text += site_table(module, view);
        text += notes_text(module, counts, view);
        if (!module.index->coverage.complete()) text += "  " + module.index->coverage.sentence() + "\n";
    }
    if (modules.size() > 1)
        text += fmt::format("{}{}: {}\n", text.empty() ? "" : "\n", counted(modules.size(), "module"), sum_text(total));
    return text;
}

nlohmann::json sites_json(const std::vector<SiteModule>& modules, const SiteView& view) {
    nlohmann::json all = nlohmann::json::array();
    for (const SiteModule& module : modules) {
        const SiteCounts counts = count_sites(module, view);
        nlohmann::json one{{"module", module.name}, {"error", json_text(module.error)}};
        if (module.base.value != 0) {
            one["base"] = json_address(module.base);
        } else {
            one["file"] = module.heading;
        }
        if (module.index) {
            one["sites"] = nlohmann::json::array();
            for (const PoolSite* site : select_sites(*module.index, view))
                one["sites"].push_back(site_json(module, *site));
            one["sites_total"] = counts.sites;
            one["allocations"] = counts.allocations;
            one["releases"] = counts.releases;
            one["lookasides"] = counts.lookasides;
            one["wrappers"] = counts.wrappers;
            one["unresolved"] = counts.unknown_tags();
            one["code_bytes"] = counts.code_bytes;
            one["coverage"] = to_json(module.index->coverage);
        }
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace poolkd::render
