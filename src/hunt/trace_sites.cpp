#include "hunt/trace_sites.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

constexpr std::size_t kept_free = 6; // of the kernel's table: for allocators that are jumped to, and for the user

struct Wanted {
    VirtAddr address;
    SiteBreakpoints::Site site;
};

void take_sites(const code::ModuleSites& module, PoolTag tag, std::vector<Wanted>& allocations,
                std::vector<Wanted>& releases, std::vector<Wanted>& untagged) {
    const bool allocates = std::ranges::any_of(module.index.sites, [&](const code::PoolSite& site) {
        return site.kind == code::SiteKind::allocation && site.tag && site.tag->bare() == tag;
    });
    for (const code::PoolSite& site : module.index.sites) {
        const bool ours = site.tag && site.tag->bare() == tag;
        Wanted wanted;
        wanted.site.jump = site.return_rva == 0;
        if (site.kind == code::SiteKind::allocation && ours) {
            wanted.site.kind = HitKind::allocation;
            wanted.site.returned = !wanted.site.jump;
            wanted.address = module.base + (wanted.site.jump ? site.rva : site.return_rva);
            allocations.push_back(wanted);
        } else if (site.kind == code::SiteKind::release) {
            wanted.site.kind = HitKind::release;
            wanted.address = module.base + site.rva;
            if (ours) {
                releases.push_back(wanted);
            } else if (allocates && site.tag_source == code::TagSource::none) {
                untagged.push_back(wanted);
            }
        }
    }
}

} // namespace

Result<SiteBreakpoints> SiteBreakpoints::set(control::Controller& controller, PoolTag tag, const FindSites& find,
                                             Work& work) {
    if (!find) return fail(ErrorKind::not_found, "The call sites of the tag are not known");
    const auto modules = find(work);
    if (work.stop_requested()) return fail(ErrorKind::stopped, "Stopped by the user");
    std::vector<Wanted> wanted, releases, untagged;
    for (const code::ModuleSites* module : modules.value)
        take_sites(*module, tag.bare(), wanted, releases, untagged);
    if (wanted.empty() && releases.empty())
        return fail(ErrorKind::not_found, "No call site of the tag was found in the code of {} modules",
                    modules.value.size());
    wanted.insert(wanted.end(), releases.begin(), releases.end());
    wanted.insert(wanted.end(), untagged.begin(), untagged.end());

    SiteBreakpoints set;
    set.incomplete_ = !modules.coverage.complete();
    const std::size_t taken = controller.breakpoints().all().size();
    const std::size_t room = control::Breakpoints::limit - std::min(control::Breakpoints::limit, taken + kept_free);
    for (Wanted& one : wanted) {
        if (set.sites_.contains(one.address)) continue;
        if (set.sites_.size() >= room) {
            ++set.no_room_;
            continue;
        }
        control::Breakpoint breakpoint;
        breakpoint.address = one.address;
        breakpoint.internal = true;
        auto added = controller.breakpoints().add(std::move(breakpoint), std::nullopt);
        if (!added) {
            ++set.no_room_;
            continue;
        }
        one.site.id = added->id;
        ++(one.site.kind == HitKind::allocation ? set.allocations_ : set.releases_);
        set.sites_[one.address] = one.site;
    }
    if (set.sites_.empty()) return fail(ErrorKind::refused, "There is no room for breakpoints: clear some");
    return set;
}

const SiteBreakpoints::Site* SiteBreakpoints::at(VirtAddr address) const {
    const auto found = sites_.find(address);
    return found == sites_.end() ? nullptr : &found->second;
}

Result<VirtAddr> SiteBreakpoints::freed(nt::Kernel& kernel, const RegisterFile& registers, const Site& site) {
    const Machine& machine = kernel.machine();
    if (machine.pointer_size == 8) return machine.canonical(registers.get("rcx").value_or(0));
    // Pushed for the call to come; at a jump the return address lies before it.
    return kernel.read_pointer(registers.sp() + (site.jump ? machine.pointer_size : 0));
}

void SiteBreakpoints::remove(control::Controller& controller) {
    for (const auto& [address, site] : sites_)
        if (controller.breakpoints().find(site.id)) (void)controller.breakpoints().remove(site.id);
    sites_.clear();
}

std::string SiteBreakpoints::describe() const {
    std::string text =
        fmt::format("Breakpoints on {} call site{} instead: {} that allocate{} with the tag, {} that free{}. What is "
                    "allocated or freed elsewhere is not seen.",
                    sites_.size(), sites_.size() == 1 ? "" : "s", allocations_, allocations_ == 1 ? "s" : "", releases_,
                    releases_ == 1 ? "s" : "");
    if (no_room_ != 0)
        text += fmt::format(" {} further site{} found no room: a kernel keeps {} breakpoints.", no_room_,
                            no_room_ == 1 ? "" : "s", control::Breakpoints::limit);
    if (incomplete_) text += " Not all code could be looked through for sites.";
    return text;
}

} // namespace poolkd::hunt
