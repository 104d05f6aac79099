#include "hunt/tag_owner.h"

#include "code/site_index.h"
#include "control/tag_site.h"
#include "hunt/layers.h"

#include <algorithm>
#include <cstring>

namespace poolkd::hunt {

namespace {

constexpr std::uint32_t largest_driver = 16u << 20; // bytes that are looked through of one
constexpr std::uint64_t most_bytes = 256u << 20;    // and of all
constexpr std::uint32_t largest_over_link = 1u << 20;
constexpr std::size_t most_sites = 64; // looked at in one driver

/// What a driver's code does with the tag, by the index of its call sites: an allocation before all else.
std::optional<std::string> indexed_site(nt::Kernel& kernel, const nt::Module& module, PoolTag tag,
                                        const code::SiteIndex& index) {
    static constexpr code::SiteKind by_weight[] = {code::SiteKind::allocation, code::SiteKind::lookaside,
                                                   code::SiteKind::release};
    const auto sites = code::sites_of_tag(index, tag);
    for (const code::SiteKind kind : by_weight) {
        const auto found = std::ranges::find(sites, kind, &code::PoolSite::kind);
        if (found == sites.end()) continue;
        const code::PoolSite& site = **found;
        const char* does = kind == code::SiteKind::allocation  ? "allocates under it"
                           : kind == code::SiteKind::lookaside ? "makes a lookaside list of it"
                                                               : "frees under it";
        return fmt::format("its code {} at {} (by {}{})", does, kernel.modules().at(module.base + site.rva).text(),
                           site.api, site.via.empty() ? "" : ", through a function of its own");
    }
    return std::nullopt;
}

/// What is left where the index does not know the tag: code that hands its four bytes to some other function, which
/// may well keep it for allocations.
std::optional<std::string> searched_site(nt::Kernel& kernel, const nt::Module& module, PoolTag tag, Coverage& coverage,
                                         Work& work) {
    const auto code = memory::read_sparse(kernel.memory(), module.base, module.size, kernel.machine().page_size, &work);
    coverage.merge(code.coverage);
    std::size_t looked = 0;
    std::byte pattern[4];
    store(MutableBytes(pattern), 0, tag.value);
    for (auto at = code.value.begin();; ++at, ++looked) {
        at = std::search(at, code.value.end(), std::begin(pattern), std::end(pattern));
        if (at == code.value.end()) return std::nullopt;
        const VirtAddr place = module.base + static_cast<std::uint64_t>(at - code.value.begin());
        if (looked == most_sites) {
            coverage.add_gap(GapReason::limit_reached, place, static_cast<std::uint64_t>(code.value.end() - at));
            return std::nullopt;
        }
        if (const auto site = control::find_tag_site(kernel, place); site && !site->callee.empty())
            return fmt::format("its code hands it to {} at {}", site->callee, kernel.modules().at(place).text());
    }
}

std::optional<std::string> find_site(nt::Kernel& kernel, const nt::Module& module, PoolTag tag, Coverage& coverage,
                                     Work& work) {
    if (const auto index = code::index_module(kernel, module, work)) {
        if (auto site = indexed_site(kernel, module, tag, *index)) {
            coverage.merge(index->coverage);
            return site;
        }
    }
    return searched_site(kernel, module, tag, coverage, work);
}

} // namespace

Answer<std::vector<TagOwner>> find_tag_owners(nt::Kernel& kernel, PoolTag tag, std::span<const std::string> on_stack,
                                              Work& work) {
    Answer<std::vector<TagOwner>> owners;
    tag = tag.bare();
    std::vector<nt::Module*> modules;
    for (const std::string& name : on_stack)
        if (nt::Module* module = kernel.modules().find(name))
            if (!module->is_kernel && std::ranges::find(modules, module) == modules.end()) modules.push_back(module);
    const bool live = kernel.target().run_control() != nullptr;
    if (!live)
        for (const auto& module : kernel.modules().loaded())
            if (!module->is_kernel && std::ranges::find(modules, module.get()) == modules.end())
                modules.push_back(module.get());
    std::uint64_t bytes = 0;
    for (nt::Module* module : modules) {
        if (module->size > (live ? largest_over_link : largest_driver) || bytes + module->size > most_bytes) {
            owners.coverage.add_gap(GapReason::limit_reached, module->base, module->size);
            continue;
        }
        if (work.stop_requested()) {
            owners.coverage.add_gap(GapReason::stopped, module->base, 0);
            break;
        }
        bytes += module->size;
        if (auto site = find_site(kernel, *module, tag, owners.coverage, work))
            owners.value.push_back({module->image_name, std::move(*site), true});
    }
    if (const Layer layer = layer_of(tag, nullptr); layer.known && !layer.binary.empty())
        owners.value.push_back({layer.binary, fmt::format("the table of known tags has it as {}", layer.what), false});
    return owners;
}

} // namespace poolkd::hunt
