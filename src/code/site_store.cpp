#include "base/parallel.h"
#include "base/text.h"
#include "code/pool_routines.h"
#include "code/site_index.h"
#include "pe/exports.h"

#include <algorithm>

namespace poolkd::code {

namespace {

/// Reads a loaded module's headers and tables.
class LoadedReader final : public pe::ByteReader {
  public:
    explicit LoadedReader(nt::ModuleImage& image) : image_(image) {}
    Result<Bytes> bytes(std::uint32_t offset, std::uint32_t size) override { return image_.bytes(offset, size); }

  private:
    nt::ModuleImage& image_;
};

/// What was read while the link was lost says nothing for good: it is read again when it is asked for again.
bool is_lasting(const ModuleSites& sites) {
    const auto& gaps = sites.index.coverage.gaps();
    return std::ranges::find(gaps, GapReason::link_lost, &Gap::reason) == gaps.end();
}

/// Keeps pointers to what was there before good.
void keep(std::unique_ptr<ModuleSites>& place, std::unique_ptr<ModuleSites> sites) {
    if (place)
        *place = std::move(*sites);
    else
        place = std::move(sites);
}

std::uint64_t written(const nt::Kernel& kernel, VirtAddr address) {
    return kernel.machine().pointer_size == 8 ? address.value : static_cast<std::uint32_t>(address.value);
}

/// The pool's routines in the modules that have them, by what these export.
std::vector<RoutineAddress> routines_of(nt::Kernel& kernel) {
    constexpr std::string_view libraries[] = {"ndis", "fltmgr", "videoprt", "win32k", "win32kbase"};
    std::vector<RoutineAddress> out;
    for (const auto& module : kernel.modules().loaded()) {
        if (!module->is_kernel && std::ranges::find(libraries, to_lower(module->name)) == std::end(libraries)) continue;
        if (!module->image) continue;
        LoadedReader reader(*module->image);
        auto headers = pe::Image::open(reader, pe::ImageLayout::memory);
        if (!headers) continue;
        auto exports = pe::ExportTable::read(*headers);
        if (!exports) continue;
        for (const pe::Export& entry : exports->all())
            if (entry.rva != 0 && find_pool_routine(entry.name))
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
    bool done = false;
};

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
        if (found == known_.end() || !is_lasting(*found->second)) missing.push_back(module);
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
        auto bytes = FlatImage::of_module(kernel_, module, work);
        if (work.stop_requested()) break;
        if (bytes) {
            held += bytes->size();
            jobs.push_back({&module, std::move(*bytes), std::move(sites)});
        } else {
            sites->error = bytes.error().message;
            if (bytes.error().kind == ErrorKind::link)
                sites->index.coverage.add_gap(GapReason::link_lost, module.base, module.size);
            keep(known_[key_of(module)], std::move(sites));
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
    });
    // One that was stopped half-way is not kept.
    for (Job& job : jobs)
        if (job.done && !job.sites->index.coverage.stopped()) keep(known_[key_of(*job.module)], std::move(job.sites));
}

} // namespace poolkd::code
