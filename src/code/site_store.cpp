#include "base/parallel.h"
#include "base/text.h"
#include "code/named_pointers.h"
#include "code/pool_routines.h"
#include "code/site_index.h"
#include "code/site_targets.h"
#include "pe/debug_directory.h"
#include "pe/exports.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>

namespace poolkd::code {

namespace {

std::uint64_t written(const nt::Kernel& kernel, VirtAddr address) {
    return kernel.machine().pointer_size == 8 ? address.value : static_cast<std::uint32_t>(address.value);
}

/// The pool's routines in the modules that have them, by what these export.
std::vector<RoutineAddress> routines_of(nt::Kernel& kernel) {
    constexpr std::string_view libraries[] = {"ndis", "fltmgr", "storport", "videoprt", "win32k", "win32kbase"};
    std::vector<RoutineAddress> out;
    for (const auto& module : kernel.modules().loaded()) {
        if (!module->is_kernel && std::ranges::find(libraries, to_lower(module->name)) == std::end(libraries)) continue;
        if (!module->image) continue;
        auto headers = pe::Image::open(*module->image, pe::ImageLayout::memory);
        if (!headers) continue;
        auto exports = pe::ExportTable::read(*headers);
        if (!exports) continue;
        for (const pe::Export& entry : exports->all())
            if (entry.rva != 0 && (find_pool_routine(entry.name) || is_routine_of_lookup(entry.name)))
                out.push_back({written(kernel, module->base + entry.rva), entry.name});
    }
    return out;
}

} // namespace

Result<SiteIndex> index_module(nt::Kernel& kernel, const nt::Module& module, Work& work) {
    POOLKD_TRY(FlatImage bytes, FlatImage::of_module(kernel, module, work));
    SiteImage image;
    image.bytes = &bytes;
    image.base = written(kernel, module.base);
    image.routines = routines_of(kernel);
    return index_image(image, work);
}

struct SiteStore::Job {
    const nt::Module* module;
    FlatImage bytes;
    std::unique_ptr<ModuleSites> sites;
    std::optional<SiteKey> cache_key;
    bool done = false;
};

/// What an earlier reading of the same image has of a site's tag is older, and stays.
void keep_tags(SiteIndex& fresh, const SiteIndex& old) {
    std::map<std::uint32_t, PoolTag> tags;
    for (const PoolSite& site : old.sites)
        if (site.tag && site.tag_rva) tags.emplace(*site.tag_rva, *site.tag);
    for (PoolSite& site : fresh.sites)
        if (auto known = site.tag && site.tag_rva ? tags.find(*site.tag_rva) : tags.end(); known != tags.end())
            site.tag = known->second;
}

bool SiteStore::is_there(VirtAddr address, Work& work) const {
    std::byte first{};
    return kernel_.memory().read(address, {&first, 1}, &work).bytes == 1;
}

bool SiteStore::is_lasting(const ModuleSites& sites, Work& work) const {
    const auto& gaps = sites.index.coverage.gaps();
    auto broke_off = [](const Gap& gap) { return gap.reason == GapReason::link_lost; };
    if (std::ranges::any_of(gaps, broke_off)) return false;
    const bool whole = sites.error.empty() && sites.index.coverage.complete();
    if (whole || sites.epoch == kernel_.target().epoch()) return true;
    if (!sites.error.empty()) return false; // its headers may have come
    // A few of the pages tell whether it is worth the time.
    constexpr std::size_t most = 8;
    auto has_come = [&](const Gap& gap) {
        return gap.first >= sites.base && gap.first - sites.base < sites.size && is_there(gap.first, work);
    };
    return std::ranges::none_of(gaps | std::views::take(most), has_come);
}

void SiteStore::keep(const nt::Module& module, std::unique_ptr<ModuleSites> sites) {
    sites->epoch = kernel_.target().epoch();
    std::unique_ptr<ModuleSites>& place = known_[key_of(module)];
    if (!place) {
        place = std::move(sites);
        return;
    }
    // Pointers to what was there before stay good.
    keep_tags(sites->index, place->index);
    *place = std::move(*sites);
}

std::optional<SiteKey> SiteStore::cache_key(const nt::Module& module, const std::vector<RoutineAddress>& routines,
                                            Work& work) {
    if (!cache_.in_use() || !module.image) return std::nullopt;
    auto headers = pe::Image::open(*module.image, pe::ImageLayout::memory);
    if (!headers) return std::nullopt;
    // What is found also depends on the routines that are known, and on the pointers that hold one at the time. The
    // kernel calls its own without pointers; its data is large.
    std::vector<std::string> reached;
    for (const RoutineAddress& routine : routines)
        reached.push_back(routine.name);
    if (!module.is_kernel) {
        auto state = FlatImage::of_module(kernel_, module, work, FlatImage::Part::state);
        if (!state || !state->coverage().complete()) return std::nullopt;
        auto of_state = pe::Image::open(*state, pe::ImageLayout::memory);
        if (!of_state) return std::nullopt;
        SiteImage image;
        image.bytes = &*state;
        image.base = written(kernel_, module.base);
        image.routines = routines;
        for (const auto& [rva, routine] : SiteTargets::find(image, *of_state, kernel_.machine()).slots)
            reached.push_back(fmt::format("{:x}={}", rva, routine->name));
    }
    // Whether the code that is thrown away after the start (INIT) is there: an index with it serves nobody without it.
    for (const pe::Section& section : headers->sections()) {
        if (!section.is_discardable() || !section.is_code()) continue;
        const std::uint32_t page = kernel_.machine().page_size;
        for (std::uint32_t at = 0; at < section.size() && section.rva + at < module.size; at += page)
            if (!is_there(module.base + section.rva + at, work))
                reached.push_back(fmt::format("without {:x}", section.rva + at));
    }
    std::ranges::sort(reached);
    const std::string all = fmt::format("{}", fmt::join(reached, " "));
    std::string pdb;
    if (auto reference = pe::find_pdb_reference(*headers); reference && *reference) pdb = (*reference)->identity.text();
    return SiteKey{.image_name = module.image_name,
                   .timestamp = headers->timestamp,
                   .size = headers->size_of_image,
                   .checksum = headers->checksum,
                   .pdb = std::move(pdb),
                   .state = "module " + digest(std::as_bytes(std::span(all)))};
}

bool SiteStore::agrees(const nt::Module& module, const SiteIndex& index, Work& work) const {
    auto holds = [&](const ImageWord& word, std::uint32_t bits) {
        std::uint32_t held = 0;
        const auto got =
            kernel_.memory().read(module.base + word.rva, std::as_writable_bytes(std::span(&held, 1)), &work);
        if (got.gap == GapReason::link_lost || got.gap == GapReason::stopped) return false;
        return got.gap || (held & bits) == word.value; // a page that is not there contradicts nothing
    };
    return std::ranges::all_of(index.tag_words, [&](const ImageWord& word) { return holds(word, ~0u); }) &&
           std::ranges::all_of(index.site_words, [&](const ImageWord& word) { return holds(word, unmoved_bits); });
}

SiteStore::Key SiteStore::key_of(const nt::Module& module) {
    return {module.base.value, module.size, module.timestamp, module.checksum};
}

void SiteStore::name(nt::Module& module, ModuleSites& sites) {
    if (sites.named) return;
    sites.named = true;
    // Symbols cost something to load: only for a module that has sites.
    if (sites.index.sites.empty()) return;
    if (symbols::ModuleSymbols* symbols = kernel_.modules().symbols(module)) name_sites(sites.index, *symbols);
}

const ModuleSites* SiteStore::of(nt::Module& module, Work& work) {
    fill({&module}, work);
    auto found = known_.find(key_of(module));
    if (found == known_.end()) {
        stopped_ = {module.name, module.base, module.size, {}, "Stopped by the user.", false};
        return &stopped_;
    }
    name(module, *found->second);
    return found->second.get();
}

Answer<std::vector<const ModuleSites*>> SiteStore::all(Work& work) {
    std::vector<nt::Module*> modules;
    for (const auto& module : kernel_.modules().loaded())
        modules.push_back(module.get());
    fill(modules, work);
    Answer<std::vector<const ModuleSites*>> out;
    for (nt::Module* module : modules) {
        auto found = known_.find(key_of(*module));
        if (found == known_.end()) continue; // stopped before its turn
        name(*module, *found->second);
        out.value.push_back(found->second.get());
        out.coverage.merge(found->second->index.coverage);
    }
    if (work.stop_requested()) out.coverage.add_gap(GapReason::stopped, VirtAddr(), 0);
    return out;
}

void SiteStore::fill(const std::vector<nt::Module*>& modules, Work& work) {
    std::vector<nt::Module*> missing;
    for (nt::Module* module : modules) {
        auto found = known_.find(key_of(*module));
        if (found == known_.end() || !is_lasting(*found->second, work)) missing.push_back(module);
    }
    if (missing.empty()) return;
    const std::vector<RoutineAddress> routines = routines_of(kernel_);

    // One thread talks to the target; then all work on what it has read, so much of it at a time.
    constexpr std::uint64_t enough_bytes = 64u << 20;
    std::vector<Job> jobs;
    std::uint64_t held = 0;
    for (std::size_t i = 0; i < missing.size() && !work.stop_requested(); ++i) {
        const nt::Module& module = *missing[i];
        work.progress("Reading code", i, missing.size());
        auto sites = std::make_unique<ModuleSites>();
        sites->module = module.name;
        sites->base = module.base;
        sites->size = module.size;
        auto cache_as = cache_key(module, routines, work);
        if (auto cached = cache_as ? cache_.find(*cache_as) : std::nullopt; cached && agrees(module, *cached, work)) {
            sites->index = std::move(*cached);
            keep(module, std::move(sites));
            continue;
        }
        auto bytes = FlatImage::of_module(kernel_, module, work);
        if (work.stop_requested()) break;
        if (bytes) {
            held += bytes->size();
            jobs.push_back({&module, std::move(*bytes), std::move(sites), std::move(cache_as)});
        } else {
            sites->error = bytes.error().message;
            if (bytes.error().kind == ErrorKind::link)
                sites->index.coverage.add_gap(GapReason::link_lost, module.base, module.size);
            keep(module, std::move(sites));
        }
        if (held < enough_bytes && i + 1 < missing.size()) continue;
        run(jobs, routines, work);
        jobs.clear();
        held = 0;
    }
    if (!jobs.empty()) run(jobs, routines, work);
}

void SiteStore::run(std::vector<Job>& jobs, const std::vector<RoutineAddress>& routines, Work& work) {
    run_parallel(jobs.size(), worker_threads(), work, "Modules looked through", [&](std::size_t i, Work& own) {
        Job& job = jobs[i];
        SiteImage image;
        image.bytes = &job.bytes;
        image.base = written(kernel_, job.module->base);
        image.routines = routines;
        auto index = index_image(image, own);
        if (index)
            job.sites->index = std::move(*index);
        else
            job.sites->error = index.error().message;
        job.done = true;
        // Another run may find the module while its INIT code is still there.
        if (index && job.cache_key) cache_.keep(*job.cache_key, job.sites->index);
    });
    // One that was stopped half-way is not kept.
    for (Job& job : jobs)
        if (job.done && !job.sites->index.coverage.stopped()) keep(*job.module, std::move(job.sites));
}

} // namespace poolkd::code
