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

/// The first place in a driver's code that gives the tag to an allocation, else to a free.
std::optional<std::string> find_site(nt::Kernel& kernel, const nt::Module& module, PoolTag tag, Coverage& coverage,
                                     Work& work) {
    const auto code = memory::read_sparse(kernel.memory(), module.base, module.size, kernel.machine().page_size, &work);
    // Pages that an image leaves out when it is loaded (INIT) are no loss: only a driver of which nothing is there.
    if (code.coverage.read() == 0 || code.coverage.stopped()) coverage.merge(code.coverage);
    std::optional<std::string> release;
    std::size_t looked = 0;
    std::byte pattern[4];
    store(MutableBytes(pattern), 0, tag.value);
    for (auto at = code.value.begin(); looked < most_sites; ++at, ++looked) {
        at = std::search(at, code.value.end(), std::begin(pattern), std::end(pattern));
        if (at == code.value.end()) break;
        const VirtAddr place = module.base + static_cast<std::uint64_t>(at - code.value.begin());
        const auto site = control::find_tag_site(kernel, place);
        if (!site || site->kind == control::TagSiteKind::unknown) continue;
        const bool allocates = site->kind == control::TagSiteKind::allocation;
        std::string text = fmt::format("its code {} under this tag at {} (by {})", allocates ? "allocates" : "frees",
                                       kernel.modules().at(place).text(), site->callee);
        if (allocates) return text;
        if (!release) release = std::move(text);
    }
    return release;
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
        bytes += module->size;
        if (work.stop_requested()) break;
        if (auto site = find_site(kernel, *module, tag, owners.coverage, work))
            owners.value.push_back({module->image_name, std::move(*site), true});
    }
    if (const Layer layer = layer_of(tag, nullptr); layer.known && !layer.binary.empty())
        owners.value.push_back({layer.binary, fmt::format("the table of known tags has it as {}", layer.what), false});
    return owners;
}

} // namespace poolkd::hunt
