#include "hunt/site_candidates.h"

#include "hunt/attribute.h"
#include "hunt/stack_site.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace poolkd::hunt {

namespace {

constexpr std::uint64_t enough_kept = 2; // blocks, for a site to be said to leak
constexpr std::uint64_t enough_seen = 5; // allocations, for a site to be said not to
constexpr double least_share = 0.1;      // of the blocks that a trace saw stay
constexpr double seldom = 0.1;
constexpr double watched_and_clean = 0.05;

bool concerns(const code::PoolSite& site, const TagKey& key) {
    if (!site.tag || site.tag->bare() != key.tag.bare() || site.tag_source == code::TagSource::parameter) return false;
    return !site.paged || *site.paged == (key.kind == PoolKind::paged);
}

/// A routine of the kernel or a library that has its own tag and is called by others for it: whoever calls it is the
/// site.
bool is_routine_of_another(const code::PoolSite& site, const SiteCandidates& all) {
    return !site.function.empty() && std::ranges::any_of(all.list, [&](const SiteCandidate& other) {
        return other.site.site.tag_source == code::TagSource::fixed && other.site.site.api == site.function;
    });
}

SiteCandidate& candidate_at(SiteCandidates& sites, const StackSite& place, const Clues& clues) {
    for (SiteCandidate& known : sites.list) {
        if (known.module != place.module) continue;
        if (place.indexed ? known.site.site.rva == place.indexed->rva && known.site.from_index
                          : !known.site.from_index && known.site.site.rva == place.return_rva)
            return known;
    }
    SiteCandidate fresh;
    fresh.module = place.module;
    fresh.site.module = clues.modules[place.module].name;
    if (place.indexed) {
        fresh.site.site = *place.indexed;
        fresh.site.from_index = true;
    } else {
        fresh.site.site.rva = fresh.site.site.return_rva = place.return_rva;
        fresh.site.site.function = place.function;
        fresh.site.site.source = place.source;
        fresh.site.site.tag = clues.key.tag;
    }
    sites.list.push_back(std::move(fresh));
    return sites.list.back();
}

void take_stacks(SiteCandidates& sites, const Clues& clues) {
    for (const TraceStack& stack : clues.trace->stacks) {
        if (stack.allocations == 0) continue;
        const auto place = site_of_stack(stack, clues.key.tag, clues.modules, clues.call_targets);
        if (!place) continue;
        SiteCandidate& site = candidate_at(sites, *place, clues);
        site.site.from_trace = true;
        site.site.seen_allocated += stack.allocations;
        site.site.seen_freed += stack.allocations - std::min(stack.allocations, stack.outstanding);
        site.kept += stack.early;
        if (stack.outstanding != 0) {
            site.site.blocks = site.site.blocks.value_or(0) + stack.outstanding;
            site.site.bytes = site.site.bytes.value_or(0) + stack.outstanding_bytes;
        }
    }
}

bool same_block_size(const SiteCandidate& site, std::uint64_t size, const BlockClues& blocks) {
    const std::uint64_t wanted = block_size_of(*site.site.site.size, blocks);
    // A block may keep what would be left over behind it.
    return size == wanted || size == wanted + blocks.unit || size == *site.site.site.size;
}

/// That the trace lasted so long that what is usually freed was freed. Else all that lives a while seems to stay.
bool saw_usual_frees(const TraceReport& trace, std::optional<double> freed_share) {
    constexpr double hardly = 0.05, part = 0.5;
    if (!freed_share || *freed_share < hardly) return true;
    return static_cast<double>(trace.matched) >= part * *freed_share * static_cast<double>(trace.allocations);
}

std::string kept_text(const SiteCandidate& site) {
    const SuspectSite& one = site.site;
    return fmt::format(
        "Of {} blocks that it allocated while the kernel was watched {}; {} grew old", one.seen_allocated,
        one.seen_freed == 0 ? std::string("none was freed") : fmt::format("{} were freed", one.seen_freed), site.kept);
}

} // namespace

double SiteCandidates::share_by_size(std::size_t module) const {
    if (blocks == 0) return 0;
    std::uint64_t own = 0;
    for (const SiteCandidate& site : list)
        if (site.module == module) own += site.by_size;
    return static_cast<double>(own) / static_cast<double>(blocks);
}

std::string place_of(const SiteCandidate& site) {
    const code::PoolSite& one = site.site.site;
    if (one.function.empty()) return fmt::format("{}+{:#x}", site.site.module, one.rva);
    return one.source.empty() ? one.function : fmt::format("{} ({})", one.function, one.source);
}

SiteCandidates candidates_of(const Clues& clues) {
    SiteCandidates sites;
    for (std::size_t i = 0; i < clues.modules.size(); ++i) {
        const ClueModule& module = clues.modules[i];
        if (module.unloaded) continue;
        if (!module.index) {
            sites.not_indexed.push_back(module.image);
            continue;
        }
        if (!module.index->coverage.complete()) sites.partly.push_back(module.image);
        bool frees = false;
        for (const code::PoolSite& site : module.index->sites) {
            if (site.kind == code::SiteKind::release) {
                frees |= site.tag && site.tag->bare() == clues.key.tag.bare();
                continue;
            }
            if (site.tag_source == code::TagSource::unresolved) ++sites.unresolved;
            if (!concerns(site, clues.key)) continue;
            SiteCandidate one;
            one.module = i;
            one.site.module = module.name;
            one.site.site = site;
            one.site.from_index = true;
            sites.list.push_back(std::move(one));
        }
        if (frees) sites.freeing.push_back(i);
    }
    std::erase_if(sites.list,
                  [&, all = sites](const SiteCandidate& one) { return is_routine_of_another(one.site.site, all); });
    if (clues.trace) take_stacks(sites, clues);
    return sites;
}

void judge_traced(SiteCandidates& sites, const Clues& clues) {
    if (!clues.trace) return;
    std::uint64_t kept = 0;
    for (const SiteCandidate& site : sites.list)
        kept += site.kept;
    if (kept < enough_kept) return;
    if (!saw_usual_frees(*clues.trace, clues.freed_share)) {
        sites.too_short = true;
        return;
    }
    sites.decided = true;
    for (SiteCandidate& site : sites.list) {
        SuspectSite& one = site.site;
        const double share = static_cast<double>(site.kept) / static_cast<double>(kept);
        if (site.kept >= enough_kept && share >= least_share) {
            site.traced = 1 - 0.5 / static_cast<double>(site.kept);
            site.traced = std::min(0.98, *site.traced);
            one.reason = kept_text(site);
        } else if (one.seen_allocated >= enough_seen && site.kept == 0) {
            site.traced = watched_and_clean;
            const std::uint64_t left = one.seen_allocated - one.seen_freed;
            one.reason = fmt::format("All{} of its {} blocks were freed while the kernel was watched",
                                     left == 0 ? "" : fmt::format(" but {}", left), one.seen_allocated);
        } else if (one.seen_allocated == 0) {
            site.traced = seldom;
            one.reason = "It was not called while the kernel was watched";
        } else {
            site.traced = 2 * seldom;
            one.reason = fmt::format("It was seen {} time{} only while the kernel was watched", one.seen_allocated,
                                     one.seen_allocated == 1 ? "" : "s");
        }
    }
}

void judge_sizes(SiteCandidates& sites, const Clues& clues) {
    if (!clues.blocks || !clues.blocks->looked || clues.blocks->found == 0) return;
    const BlockClues& blocks = *clues.blocks;
    sites.blocks = blocks.found;
    std::vector<std::uint64_t> fitting(sites.list.size());
    SiteCandidate* unknown_size = nullptr;
    std::size_t unknown_sizes = 0;
    for (SiteCandidate& site : sites.list) {
        if (site.site.site.size && site.site.site.kind == code::SiteKind::allocation) continue;
        unknown_size = &site;
        ++unknown_sizes;
    }
    for (const SizeShare& share : blocks.sizes) {
        SiteCandidate* only = nullptr;
        std::size_t fit = 0;
        for (std::size_t i = 0; i < sites.list.size(); ++i) {
            SiteCandidate& site = sites.list[i];
            if (!site.site.site.size || site.site.site.kind != code::SiteKind::allocation) continue;
            if (!same_block_size(site, share.size, blocks)) continue;
            fitting[i] += share.blocks;
            only = &site;
            ++fit;
        }
        if (fit == 1) only->by_size += share.blocks;
        if (fit == 0 && unknown_sizes == 1) unknown_size->by_size += share.blocks;
    }
    for (std::size_t i = 0; i < sites.list.size(); ++i) {
        SiteCandidate& site = sites.list[i];
        site.size_excluded =
            site.site.site.size && site.site.site.kind == code::SiteKind::allocation && fitting[i] == 0;
        if (site.by_size != 0 && !site.site.blocks) site.site.blocks = site.by_size;
    }
}

void weigh_sites(SiteCandidates& sites, const Clues& clues) {
    constexpr double fits = 8, excluded = 0.05, unknown = 0.1, list_first = 0.5;
    auto weight = [&](const SiteCandidate& site) {
        double value = site.site.site.kind == code::SiteKind::lookaside ? list_first : 1;
        if (site.size_excluded) value *= excluded;
        if (sites.blocks != 0)
            value *= 1 + (fits - 1) * static_cast<double>(site.by_size) / static_cast<double>(sites.blocks);
        return value;
    };
    for (SiteCandidate& site : sites.list) {
        double sum = unknown;
        std::size_t others = 0;
        for (const SiteCandidate& other : sites.list) {
            if (other.module != site.module) continue;
            sum += weight(other);
            others += &other != &site ? 1 : 0;
        }
        site.within_image = weight(site) / sum;
        const double share =
            sites.blocks == 0 ? 0 : static_cast<double>(site.by_size) / static_cast<double>(sites.blocks);
        // What of the tag is never given back leaks from wherever it comes.
        if (clues.never_freed() && share >= least_share) site.within_image = std::max(site.within_image, 0.9);
        if (!site.site.reason.empty()) continue;
        if (site.size_excluded) {
            site.site.reason = fmt::format("No block has the size that it asks for ({} bytes)", *site.site.site.size);
        } else if (site.by_size != 0) {
            site.site.reason =
                fmt::format("{} of {} blocks have a size that only it asks for", site.by_size, sites.blocks);
        } else if (others == 0) {
            site.site.reason = "It is the only place in its driver that allocates under the tag";
        } else {
            site.site.reason = fmt::format("One of {} places in its driver that allocate under the tag", others + 1);
        }
    }
}

} // namespace poolkd::hunt
