#include "hunt/hunt_code.h"

#include "code/site_index.h"
#include "hunt/timed_work.h"

#include <fmt/format.h>

#include <algorithm>

namespace poolkd::hunt {

namespace {

/// Those whose code is read first: whom the tag lists name, then small ones, the kernel last.
std::vector<std::size_t> code_order(const HuntState& hunt) {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < hunt.modules.size(); ++i)
        if (!hunt.modules[i].unloaded) order.push_back(i);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) {
        const ClueModule& module = hunt.modules[i];
        const bool named = std::ranges::any_of(
            hunt.report.suspects, [&](const Suspect& one) { return hunt.row_of(one).binary == module.image; });
        return std::pair(named ? 0 : module.kernel ? 2 : 1, module.size);
    });
    return order;
}

/// What would take the whole time of this step alone.
bool takes_too_long(const HuntState& hunt, const ClueModule& module) {
    if (!hunt.live() || hunt.bytes_a_second <= 0) return false;
    const double seconds = std::chrono::duration<double>(hunt.times.code).count();
    return static_cast<double>(module.size) / hunt.bytes_a_second > seconds;
}

bool has_tag_of(const ClueModule& module, PoolTag tag, bool allocations_only) {
    return module.index && std::ranges::any_of(module.index->sites, [&](const code::PoolSite& site) {
               return site.tag && site.tag->bare() == tag.bare() &&
                      (!allocations_only ||
                       (site.kind != code::SiteKind::release && site.tag_source != code::TagSource::parameter));
           });
}

} // namespace

void list_modules(HuntState& hunt) {
    hunt.modules.clear();
    for (const auto& module : hunt.input.kernel->modules().loaded())
        hunt.modules.push_back(
            {module->name, module->image_name, module->base, module->size, module->is_kernel, false, nullptr});
    for (const nt::UnloadedModule& gone : hunt.input.kernel->modules().unloaded())
        hunt.modules.push_back({gone.name, gone.name, gone.start, gone.end - gone.start, false, true, nullptr});
}

void index_module(HuntState& hunt, std::size_t module, Work& work) {
    ClueModule& one = hunt.modules[module];
    nt::Module* loaded = hunt.input.kernel->modules().containing(one.base);
    if (!loaded || one.index) return;
    const code::ModuleSites* sites = hunt.input.sites->of(*loaded, work);
    if (!sites || !sites->error.empty()) return;
    one.index = std::make_shared<const code::SiteIndex>(sites->index); // the store may drop its own
}

void read_code(HuntState& hunt) {
    hunt.input.kernel->reload(); // drivers came and went while the target ran
    list_modules(hunt);
    TimedWork timed(hunt.work,
                    hunt.live() ? TimedWork::Clock::now() + hunt.times.code : TimedWork::Clock::time_point::max());
    if (!hunt.live()) (void)hunt.input.sites->all(timed.work()); // in parallel
    std::size_t read = 0, sites = 0;
    const std::vector<std::size_t> order = code_order(hunt);
    for (const std::size_t i : order) {
        if (hunt.live() && timed.look()) break;
        if (takes_too_long(hunt, hunt.modules[i])) continue;
        hunt.work.progress("looking through code", read, order.size());
        index_module(hunt, i, timed.work());
        if (!hunt.modules[i].index) continue;
        ++read;
        sites += hunt.modules[i].index->sites.size();
    }
    const bool cut = hunt.stopped();
    hunt.end_step(
        fmt::format("{} of {} modules, {} call sites{}", read, order.size(), sites, cut ? "; stopped by the user" : ""),
        !cut);
}

bool in_code(std::span<const ClueModule> modules, PoolTag tag) {
    return std::ranges::any_of(modules, [&](const ClueModule& module) { return has_tag_of(module, tag, false); });
}

std::string owner_by_code(const HuntState& hunt, std::size_t row) {
    const auto suspect = std::ranges::find(hunt.report.suspects, row, &Suspect::row);
    if (suspect != hunt.report.suspects.end() && !suspect->sites.empty() && !suspect->owners.empty() &&
        suspect->owners.front().confidence >= SuspectSite::accusing)
        return suspect->owners.front().image;
    const PoolTag tag = hunt.report.verdict.rows[row].key.tag;
    const ClueModule* only = nullptr;
    for (const ClueModule& module : hunt.modules) {
        if (!has_tag_of(module, tag, true)) continue;
        if (only) return {};
        only = &module;
    }
    return only ? only->image : std::string();
}

} // namespace poolkd::hunt
