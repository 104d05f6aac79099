#include "code/decoder.h"
#include "hunt/image_uses.h"
#include "hunt/new_tags.h"
#include "hunt/retag.h"
#include "hunt/tag_constant.h"
#include "hunt/tag_hint.h"
#include "hunt/tag_variable.h"
#include "hunt/unseen_code.h"
#include "hunt/words.h"

#include <algorithm>
#include <map>
#include <set>

namespace poolkd::hunt {

namespace {

using code::ModuleSites;
using code::PoolSite;
using code::SiteKind;
using code::TagSource;

constexpr std::size_t named_places = 3; // in a sentence

bool has_tag(const PoolSite& site, PoolTag tag) {
    return site.tag && site.tag->bare() == tag.bare();
}

std::string count_of(std::size_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string list_of(const std::vector<std::string>& names) {
    return names_text(names, named_places);
}

/// Makes the plan, sentence by sentence.
class Planner {
  public:
    Planner(nt::Kernel& kernel, const control::Journal& journal, std::span<const ModuleSites* const> modules,
            PoolTag tag)
        : kernel_(kernel), journal_(journal), modules_(modules) {
        plan_.tag = tag.bare();
    }

    Result<RetagPlan> make(Work& work);

  private:
    /// All sites that pass the four bytes at one address.
    struct Constant {
        const ModuleSites* module;
        std::vector<const PoolSite*> sites;
    };

    void forbid(std::string why) { plan_.obstacles.push_back({std::move(why), false}); }
    void warn(std::string why, std::string kind = {}) {
        plan_.obstacles.push_back({std::move(why), true, std::move(kind)});
    }
    /// Of an allocation: it keeps its tag. Of a free: it would compare a block's new tag with the old one.
    void leave(const ModuleSites& module, const PoolSite& site, std::string why, bool forceable = false);

    void ask_target();
    void sort_sites(Work& work);
    void sort_site(const ModuleSites& module, const PoolSite& site);
    void add(VirtAddr address, const Constant& constant, Work& work);
    void look_for_unknown_frees(Work& work);
    [[nodiscard]] std::vector<control::TagWindow> windows_of(VirtAddr address, const Constant& constant,
                                                             Work& work) const;
    void look_for_frees_in_flight(Work& work);
    void look_at_coverage();
    void tell_of_wrappers();
    [[nodiscard]] bool has_unseen_callers(const ModuleSites& module, const PoolSite& wrapper, Work& work) const;
    Result<void> name_allocations(Work& work);

    nt::Kernel& kernel_;
    const control::Journal& journal_;
    std::span<const ModuleSites* const> modules_;
    RetagPlan plan_;
    std::map<VirtAddr, Constant> constants_;
};

void Planner::leave(const ModuleSites& module, const PoolSite& site, std::string why, bool forceable) {
    RetagPlace place = RetagPlace::of(module, site);
    if (site.kind != SiteKind::release) {
        plan_.not_separable.push_back({std::move(place), std::move(why)});
        return;
    }
    plan_.obstacles.push_back({fmt::format("The free at {} would still name the old tag: {}", place.text, why),
                               forceable, "free sites would still name the old tag"});
}

void Planner::ask_target() {
    if (!kernel_.target().writable())
        forbid(fmt::format("The target ({}) cannot be written", kernel_.target().identity().kind));
    target::RunControl* control = kernel_.target().run_control();
    if (!control) {
        forbid("The target cannot run, so nothing would be counted");
    } else if (control->running()) {
        forbid("The target runs; stop it first");
    }
    for (const control::JournalEntry& entry : journal_.entries()) {
        if (!entry.tag_site || entry.undone || entry.before.size() != tag_bytes) continue;
        if (PoolTag(load_or<std::uint32_t>(entry.before, 0)).bare() != plan_.tag) continue;
        forbid(fmt::format("'{}' is retagged already (write {}): !retag shows it, !retag /undo takes it back",
                           plan_.tag.text(), entry.id));
        return;
    }
}

void Planner::sort_sites(Work& work) {
    for (const ModuleSites* module : modules_)
        for (const PoolSite& site : module->index.sites)
            if (has_tag(site, plan_.tag)) sort_site(*module, site);
    for (const auto& [address, constant] : constants_)
        add(address, constant, work);
}

/// Notes the constant of a site, or why it has none of its own.
void Planner::sort_site(const ModuleSites& module, const PoolSite& site) {
    if (site.tag->is_protected())
        forbid(fmt::format("{} passes the tag with the protected bit: such a block must be freed with its own tag",
                           RetagPlace::of(module, site).text));
    if (site.kind == SiteKind::lookaside) {
        leave(module, site, "it prepares a lookaside list, which keeps the tag that it was given then");
    } else if (site.tag_source == TagSource::fixed) {
        leave(module, site, fmt::format("{} has this tag by itself", site.api), true);
    } else if (!site.tag_rva) {
        leave(module, site, site.note.empty() ? "its tag does not lie in four bytes of its own" : site.note);
    } else {
        Constant& constant = constants_[module.base + *site.tag_rva];
        constant.module = &module;
        constant.sites.push_back(&site);
    }
}

/// Checks the four bytes of a constant and puts them into the plan.
void Planner::add(VirtAddr address, const Constant& constant, Work& work) {
    const ModuleSites& module = *constant.module;
    RetagPatch patch;
    patch.address = address;
    patch.kind = constant.sites.front()->kind;
    patch.in_data = constant.sites.front()->tag_source == TagSource::data;
    std::vector<std::string> names;
    for (const PoolSite* site : constant.sites) {
        patch.places.push_back(RetagPlace::of(module, *site));
        names.push_back(patch.places.back().text);
    }
    auto leave_all = [&](const std::string& why, bool forceable) {
        for (const PoolSite* site : constant.sites)
            leave(module, *site, why, forceable);
    };
    auto bytes = memory::read_exact(kernel_.memory(), address, tag_bytes);
    if (!bytes) return leave_all("the page with its tag is not in memory", false);
    if (const PoolTag now(load_or<std::uint32_t>(*bytes, 0)); now.bare() != plan_.tag)
        return leave_all(fmt::format("its tag is '{}' in memory now", now.text()), false);
    if (std::ranges::any_of(constant.sites, [&](const PoolSite* site) { return site->kind != patch.kind; })) {
        forbid(fmt::format("{} share one constant, and not all of them allocate", list_of(names)));
        return;
    }
    for (std::uint32_t processor = 0; processor < kernel_.target().identity().processors; ++processor)
        if (auto registers = kernel_.target().registers(processor);
            registers && registers->ip() >= address && registers->ip() < address + tag_bytes)
            return leave_all(fmt::format("processor {} stands inside the bytes of its tag", processor), false);
    if (patch.in_data) {
        const auto rva = static_cast<std::uint32_t>(address - module.base);
        if (std::string why = why_variable_not_patched(kernel_, module, rva, constant.sites.size(), work); !why.empty())
            return leave_all(why, true);
    }
    for (const PoolSite* site : constant.sites) {
        if (patch.in_data) break;
        if (std::string why = why_not_patched(kernel_, module.base, *site); !why.empty()) return leave_all(why, true);
    }
    if (patch.kind == SiteKind::release) {
        if (may_be_paged(kernel_, module, static_cast<std::uint32_t>(address - module.base)))
            warn(fmt::format(
                     "The free at {} lies in pageable code: when it leaves memory, it comes back with the old tag",
                     list_of(names)),
                 "free sites lie in pageable code, which comes back with the old tag when it has left memory");
        // Of the others it is not known that they take 0 for "do not compare".
        for (const PoolSite* site : constant.sites)
            if (site->api != "ExFreePoolWithTag")
                warn(fmt::format("Whether {} (at {}) compares tags when it is given 0 is not known", site->api,
                                 RetagPlace::of(module, *site).text),
                     "free sites call routines of which it is not known that 0 is no tag to compare");
        patch.windows = windows_of(address, constant, work);
        plan_.releases.push_back(std::move(patch));
    } else {
        plan_.allocations.push_back(std::move(patch));
    }
}

/// Whether a wrapper may be called from where nobody sees it. One whose address is nowhere has the callers that are
/// seen, or none: a linker leaves thunks for imports that are called directly.
bool Planner::has_unseen_callers(const ModuleSites& module, const PoolSite& wrapper, Work& work) const {
    auto uses = ImageUses::of(kernel_, module, work);
    return !uses || uses->address_is_known(wrapper.function_rva, work);
}

/// From behind the constant to the call that gets it. A function that wraps the kernel's routine may wait, and take the
/// block from a list, long after it was given the tag: it counts until it returns, also where it was jumped to.
std::vector<control::TagWindow> Planner::windows_of(VirtAddr address, const Constant& constant, Work& work) const {
    const ModuleSites& module = *constant.module;
    std::vector<VirtAddr> loads;
    if (constant.sites.front()->tag_source == TagSource::data)
        loads = loads_of_variable(kernel_, module, static_cast<std::uint32_t>(address - module.base), work);
    auto taken_at = [&](const PoolSite& site) {
        if (site.tag_source != TagSource::data) return address + tag_bytes;
        VirtAddr first = module.base + site.function_rva;
        for (VirtAddr load : loads)
            if (load <= module.base + site.rva) first = std::max(first, load);
        return first;
    };
    auto window_of = [&](VirtAddr first, const PoolSite& site) {
        const bool jump = site.return_rva == 0;
        VirtAddr last = module.base + (jump ? site.rva + 1 : site.return_rva);
        // A constant in a cold piece of the function may lie above its call: all between the two counts.
        if (first > module.base + site.rva) {
            last = std::max(last, first + code::max_instruction_bytes);
            first = module.base + std::min(site.function_rva, site.rva);
        }
        return control::TagWindow{.first = first, .last = last, .until_called = jump || site.via.empty()};
    };
    std::vector<control::TagWindow> windows;
    for (const PoolSite* site : constant.sites) {
        windows.push_back(window_of(taken_at(*site), *site));
        for (const PoolSite& inner : module.index.sites)
            if (inner.kind == SiteKind::release &&
                std::ranges::find(site->via_rvas, inner.function_rva) != site->via_rvas.end())
                windows.push_back(window_of(module.base + inner.function_rva, inner));
    }
    return windows;
}

/// A thread that has taken the old tag for a free, and takes the block only then, may get one with a new tag: the
/// kernel would compare the two. What is about to allocate under the old tag does no harm, since nobody compares it any
/// more.
void Planner::look_for_frees_in_flight(Work& work) {
    if (!plan_.possible(true)) return; // the threads need not be looked at
    std::vector<control::TagWindow> windows;
    for (const RetagPatch& patch : plan_.releases)
        windows.insert(windows.end(), patch.windows.begin(), patch.windows.end());
    if (windows.empty()) return;
    if (std::string where = control::release_in_flight(kernel_, windows, work); !where.empty()) {
        where.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(where.front())));
        warn(where + "; let the target run for a moment and try again");
    }
}

/// Frees whose tag is not known, in modules that have the tag: they may be among those that free its blocks.
void Planner::look_for_unknown_frees(Work& work) {
    for (const ModuleSites* module : modules_) {
        if (std::ranges::none_of(module->index.sites, [&](const PoolSite& site) { return has_tag(site, plan_.tag); }))
            continue;
        std::vector<std::string> frees, wrappers, allocations;
        for (const PoolSite& site : module->index.sites) {
            const bool release = site.kind == SiteKind::release;
            if (site.tag_source == TagSource::unresolved)
                (release ? frees : allocations).push_back(RetagPlace::of(*module, site).text);
            if (site.tag_source == TagSource::parameter && release && has_unseen_callers(*module, site, work))
                wrappers.push_back(RetagPlace::of(*module, site).text);
        }
        if (!frees.empty())
            warn(fmt::format("Which tag {} names is not known; it may free blocks of this one", list_of(frees)),
                 "modules have frees whose tag is not known, and which may free blocks of this one");
        if (!wrappers.empty())
            warn(fmt::format("Who calls {}, and with which tag, is not known; it may free blocks of this one",
                             list_of(wrappers)),
                 "modules have functions that free with their callers' tag, and callers of which nobody knows");
        if (!allocations.empty())
            plan_.notes.push_back(
                fmt::format("The tag of {} is not known; if it is this one, it stays so", list_of(allocations)));
    }
}

/// A free that was not seen would compare tags.
void Planner::look_at_coverage() {
    std::vector<std::string> partly_seen;
    for (const ModuleSites* module : modules_) {
        if (!module->error.empty()) {
            warn(fmt::format("The code of {} could not be looked through ({}); it may free blocks of this tag",
                             module->module, module->error),
                 "modules could not be looked through; they may free blocks of this tag");
            continue;
        }
        const std::string unseen = unseen_code(kernel_, *module);
        if (unseen.empty()) continue;
        const bool concerned =
            std::ranges::any_of(module->index.sites, [&](const PoolSite& site) { return has_tag(site, plan_.tag); });
        if (concerned || module->index.code_bytes == 0) {
            warn(
                fmt::format("Not all code of {} was seen ({}); it may free blocks of this tag", module->module, unseen),
                "modules were not seen whole; they may free blocks of this tag");
        } else {
            partly_seen.push_back(module->module);
            plan_.details.push_back(fmt::format("Not all code of {} was seen ({}); what was seen does not have the tag",
                                                module->module, unseen));
        }
    }
    if (!partly_seen.empty())
        plan_.notes.push_back(
            fmt::format("Not all code of {} was seen; what was seen does not have the tag", list_of(partly_seen)));
}

/// A wrapper may do more with a tag than pass it on: keep it before the block, and compare.
void Planner::tell_of_wrappers() {
    std::set<std::string> wrappers;
    for (const std::vector<RetagPatch>* part : {&plan_.releases, &plan_.allocations})
        for (const RetagPatch& patch : *part)
            for (const RetagPlace& place : patch.places)
                wrappers.insert(place.via.begin(), place.via.end());
    if (!wrappers.empty())
        plan_.notes.push_back(fmt::format("Should {} keep or compare tags, it would see the new ones",
                                          list_of({wrappers.begin(), wrappers.end()})));
}

/// Gives each allocation site a tag that nobody uses.
Result<void> Planner::name_allocations(Work& work) {
    std::set<PoolTag> taken;
    POOLKD_TRY(Answer<pool::UsageTable> usage, pool::read_usage(kernel_, work));
    if (!usage.coverage.complete())
        forbid(fmt::format("Which tags are unused is not known. {}", usage.coverage.sentence()));
    for (const pool::TagUsage& row : usage.value.tags) {
        taken.insert(row.tag.bare());
        if (row.overflow && (row.nonpaged.touched() || row.paged.touched()))
            warn("The kernel's tag tables are full: new tags would be counted in one row with others");
    }
    for (const ModuleSites* module : modules_)
        for (const PoolSite& site : module->index.sites)
            if (site.tag) taken.insert(site.tag->bare());
    // Of tags given to another's sites at this stop the kernel knows nothing yet.
    for (const control::JournalEntry& entry : journal_.entries())
        if (entry.tag_site) taken.insert(PoolTag(load_or<std::uint32_t>(entry.after, 0)).bare());
    const std::vector<PoolTag> tags = make_new_tags(plan_.tag, plan_.allocations.size(), taken);
    if (tags.size() < plan_.allocations.size()) {
        forbid("There are not enough unused tags");
        return {};
    }
    for (std::size_t i = 0; i < tags.size(); ++i)
        plan_.allocations[i].new_tag = tags[i];
    return {};
}

Result<RetagPlan> Planner::make(Work& work) {
    ask_target();
    sort_sites(work);
    look_for_unknown_frees(work);
    look_at_coverage();
    tell_of_wrappers();
    POOLKD_CHECK(name_allocations(work));
    if (plan_.allocations.empty() && plan_.not_separable.empty()) {
        forbid(fmt::format("No code that allocates under '{}' was found", plan_.tag.text()));
        if (std::string hint = tag_hint(kernel_, plan_.tag, work); !hint.empty())
            plan_.notes.push_back(std::move(hint));
    } else if (plan_.allocations.empty()) {
        forbid(fmt::format("None of the {} that {} under '{}' can be given a tag of its own",
                           count_of(plan_.not_separable.size(), "site"),
                           plan_.not_separable.size() == 1 ? "allocates" : "allocate", plan_.tag.text()));
    } else if (plan_.allocations.size() == 1 && plan_.not_separable.empty()) {
        std::vector<std::string> names;
        for (const RetagPlace& place : plan_.allocations.front().places)
            names.push_back(place.text);
        warn(fmt::format("There is nothing to separate: {} is all that was found to allocate under '{}'",
                         list_of(names), plan_.tag.text()));
    }
    look_for_frees_in_flight(work);
    if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped; nothing was changed");
    return std::move(plan_);
}

} // namespace

bool RetagPlan::possible(bool force) const {
    return std::ranges::all_of(obstacles, [&](const RetagObstacle& obstacle) { return force && obstacle.forceable; });
}

std::vector<RetagPlan::Reason> RetagPlan::reasons(bool force) const {
    std::vector<Reason> reasons;
    std::set<std::pair<std::string, bool>> told;
    for (const RetagObstacle& obstacle : obstacles) {
        const bool stands = !force || !obstacle.forceable;
        const auto alike = std::ranges::count_if(obstacles, [&](const RetagObstacle& other) {
            return !obstacle.kind.empty() && other.kind == obstacle.kind && other.forceable == obstacle.forceable;
        });
        if (alike <= 1) {
            reasons.push_back({obstacle.why, stands});
        } else if (told.emplace(obstacle.kind, obstacle.forceable).second) {
            reasons.push_back({fmt::format("{} {}. The first: {}", alike, obstacle.kind, obstacle.why), stands});
        }
    }
    return reasons;
}

std::string RetagPlan::refusal(bool force) const {
    std::string text;
    for (const Reason& reason : reasons(force))
        if (reason.stands) text += (text.empty() ? "" : ". ") + reason.text;
    return text;
}

Result<RetagPlan> plan_retag(nt::Kernel& kernel, const control::Journal& journal,
                             std::span<const code::ModuleSites* const> modules, PoolTag tag, Work& work) {
    return Planner(kernel, journal, modules, tag).make(work);
}

} // namespace poolkd::hunt
