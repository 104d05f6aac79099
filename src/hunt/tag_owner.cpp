#include "hunt/tag_owner.h"

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

/// What a driver's code does with the tag: the best of a few places. A call that is neither an allocation nor a free
/// may well be one that keeps the tag for both (lookaside lists).
std::optional<std::string> find_site(nt::Kernel& kernel, const nt::Module& module, PoolTag tag, Coverage& coverage,
                                     Work& work) {
    const auto code = memory::read_sparse(kernel.memory(), module.base, module.size, kernel.machine().page_size, &work);
    coverage.merge(code.coverage);
    std::optional<std::string> other, release;
    std::size_t looked = 0;
    std::byte pattern[4];
    store(MutableBytes(pattern), 0, tag.value);
    for (auto at = code.value.begin();; ++at, ++looked) {
        at = std::search(at, code.value.end(), std::begin(pattern), std::end(pattern));
        if (at == code.value.end()) break;
        const VirtAddr place = module.base + static_cast<std::uint64_t>(at - code.value.begin());
        if (looked == most_sites) {
            coverage.add_gap(GapReason::limit_reached, place, static_cast<std::uint64_t>(code.value.end() - at));
            break;
        }
        const auto site = control::find_tag_site(kernel, place);
        if (!site || site->callee.empty()) continue;
        const std::string where = kernel.modules().at(place).text();
        switch (site->kind) {
        case control::TagSiteKind::allocation:
            return fmt::format("its code allocates under it at {} (by {})", where, site->callee);
        case control::TagSiteKind::release:
            if (!release) release = fmt::format("its code frees under it at {} (by {})", where, site->callee);
            break;
        case control::TagSiteKind::unknown:
            if (!other) other = fmt::format("its code hands it to {} at {}", site->callee, where);
            break;
        }
    }
    return release ? release : other;
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
