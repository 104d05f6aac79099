#include "hunt/stack_site.h"

#include "base/text.h"

#include <algorithm>
#include <array>

namespace poolkd::hunt {

namespace {

/// How far above the allocator the one who asked may stand.
constexpr std::size_t most_looked_through = 12;

/// Libraries of the kernel that allocate on behalf of the drivers that call them.
constexpr std::array class_libraries{"hal",     "ndis",     "fltmgr",  "storport", "scsiport", "wdf01000", "ks",
                                     "portcls", "netio",    "usbport", "usbd",     "hidclass", "classpnp", "videoprt",
                                     "dxgkrnl", "fwpkclnt", "tdi",     "cng",      "ksecdd",   "verifier"};

bool is_library(const ClueModule& module) {
    return module.kernel || std::ranges::any_of(class_libraries, [&](std::string_view name) {
               return equals_ignore_case(module.name, name);
           });
}

/// The site whose call returns to this RVA.
const code::PoolSite* returning_to(const ClueModule& module, std::uint32_t rva) {
    if (!module.index) return nullptr;
    const auto site = std::ranges::find_if(module.index->sites, [&](const code::PoolSite& one) {
        return one.return_rva == rva && rva != 0 && one.kind != code::SiteKind::release;
    });
    return site == module.index->sites.end() ? nullptr : &*site;
}

/// The site in the called function that has no frame because it jumped on.
const code::PoolSite* jumping_from(const ClueModule& module, VirtAddr return_address, PoolTag tag,
                                   const CallTargets* targets) {
    if (!module.index || !targets) return nullptr;
    const auto target = targets->find(return_address);
    if (target == targets->end() || !module.contains(target->second)) return nullptr;
    const auto site = std::ranges::find_if(module.index->sites, [&](const code::PoolSite& one) {
        return one.return_rva == 0 && module.base + one.function_rva == target->second &&
               one.kind != code::SiteKind::release && one.tag && one.tag->bare() == tag.bare();
    });
    return site == module.index->sites.end() ? nullptr : &*site;
}

/// "LeakyBuildReport" of "leaky!LeakyBuildReport+0x2c"; empty for "leaky+0x1210".
std::string function_of(std::string_view text) {
    const auto mark = text.find('!');
    if (mark == std::string_view::npos) return {};
    text.remove_prefix(mark + 1);
    return std::string(text.substr(0, text.rfind('+')));
}

std::optional<StackSite> site_of_frame(const TraceFrame& frame, PoolTag tag, std::span<const ClueModule> modules,
                                       const CallTargets* targets) {
    // Where a driver lay that is gone, another may have been loaded since the modules were listed.
    const auto module = std::ranges::find_if(
        modules, [&](const ClueModule& one) { return !one.unloaded && one.contains(frame.address); });
    if (module == modules.end()) return std::nullopt;
    StackSite site;
    site.module = static_cast<std::size_t>(module - modules.begin());
    site.return_rva = static_cast<std::uint32_t>(frame.address - module->base);
    site.indexed = returning_to(*module, site.return_rva);
    if (!site.indexed) site.indexed = jumping_from(*module, frame.address, tag, targets);
    site.function = site.indexed && !site.indexed->function.empty() ? site.indexed->function : function_of(frame.text);
    site.source = frame.source;
    return site;
}

bool is_of(const code::PoolSite& site, PoolTag tag) {
    return site.tag && site.tag->bare() == tag.bare();
}

/// That the outer site allocates through the function in which the inner one stands.
bool goes_through(const code::PoolSite& outer, const std::string& inner) {
    return !inner.empty() && (outer.api == inner || std::ranges::find(outer.via, inner) != outer.via.end());
}

} // namespace

std::optional<StackSite> site_of_stack(const TraceStack& stack, PoolTag tag, std::span<const ClueModule> modules,
                                       const CallTargets* targets) {
    std::optional<StackSite> first, found; // the first that is no library; the one that the index knows the tag of
    std::optional<StackSite> any;
    const std::size_t end = std::min(stack.frames.size(), stack.caller + most_looked_through);
    for (std::size_t i = stack.caller; i < end; ++i) {
        auto site = site_of_frame(stack.frames[i], tag, modules, targets);
        if (!site) continue;
        const bool knows = site->indexed && is_of(*site->indexed, tag);
        if (found) {
            if (!knows || !goes_through(*site->indexed, found->function)) break;
            found = site;
            continue;
        }
        if (site->indexed && site->indexed->tag_source == code::TagSource::parameter) continue; // a wrapper
        if (knows) found = site;
        if (!any) any = site;
        if (!first && !is_library(modules[site->module])) first = site;
        // Beyond a driver that the index does not know the site of, whoever called it is another matter.
        if (first && !found) break;
    }
    if (found) return found;
    return first ? first : any;
}

} // namespace poolkd::hunt
