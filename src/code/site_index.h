#pragma once

#include "base/work.h"
#include "code/flat_image.h"
#include "code/pool_sites.h"
#include "code/site_cache.h"
#include "nt/kernel.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::code {

// How it is used:
//
//   a file on disk        auto index = index_file(bytes_of_the_file, work);
//                         if (symbols) name_sites(*index, *symbols); // a PDB beside it, say
//   the debugged kernel   SiteStore store(kernel);                   // keep it as long as the session
//                         for (const ModuleSites* module : store.all(work).value) ... module->index.sites
//                         store.of(module, work)                     // one module; at once when it is known
//   sites of one tag      sites_of_tag(index, tag)
//
// Sites are in the order of their RVA. Where several constants reach one call, there is one site for each, all with the
// RVA of that call; `note` says so. A call of a function that both frees and allocates gives a site of each kind.

/// A routine whose address is known, in the image or outside.
struct RoutineAddress {
    std::uint64_t address = 0; ///< as the machine writes it: 32 bits on x86
    std::string name;
};

/// An image whose code is to be looked through.
struct SiteImage {
    FlatImage* bytes = nullptr;
    std::uint64_t base = 0; ///< what the absolute addresses in it are relative to, as the machine writes it
    /// Pool routines by address. Those outside make import slots and pointers known by what they hold, which serves
    /// images in memory: their import names may be gone, and calls may have been bound to the routines themselves.
    std::vector<RoutineAddress> routines;
};

/// Looks through the code of an image. Names of functions are those of its exports; see `name_sites`. What of the code
/// was not there is told in the coverage. Errors: `malformed` headers, or `unsupported` machines.
Result<SiteIndex> index_image(const SiteImage& image, Work& work);

/// The same for an image file.
Result<SiteIndex> index_file(Bytes file, Work& work);

/// The same for a module in target memory. Reads all of its code, in large blocks. Errors: its headers.
Result<SiteIndex> index_module(nt::Kernel& kernel, const nt::Module& module, Work& work);

/// Fills in the functions' names and source lines from symbols, also those of `via`.
void name_sites(SiteIndex& index, symbols::ModuleSymbols& symbols);

/// The sites whose tag is `tag`, the protected bit aside.
std::vector<const PoolSite*> sites_of_tag(const SiteIndex& index, PoolTag tag);

/// The sites of one module of the target.
struct ModuleSites {
    std::string module; ///< "leaky"
    VirtAddr base;
    std::uint32_t size = 0;
    SiteIndex index;
    std::string error; ///< why there is no index; empty when there is one
    bool named = false;
    target::Epoch epoch = 0; ///< when it was read
};

/// The indexes of a kernel's modules, kept while the modules stay (base, size, time stamp, checksum). Code is taken as
/// it was when the module was first asked for: before this debugger changed tags in it. One that lacks pages is made
/// anew when the module is asked for again and some of them have come.
class SiteStore {
  public:
    explicit SiteStore(nt::Kernel& kernel) : kernel_(kernel) {}

    /// From now on complete indexes are kept there, too, and taken from there: those of a module whose identity, tags,
    /// calls, and pointers to the pool's routines are the same.
    void use_cache(SiteCache cache) { cache_ = std::move(cache); }

    /// The index of one module, with names. Never null; good as long as the store. When the user stopped it, one that
    /// says so, which is not kept.
    const ModuleSites* of(nt::Module& module, Work& work);
    /// Those of all loaded modules, made in parallel. The coverage sums up theirs.
    Answer<std::vector<const ModuleSites*>> all(Work& work);

  private:
    struct Key {
        std::uint64_t base;
        std::uint32_t size, timestamp, checksum;
        auto operator<=>(const Key&) const = default;
    };
    static Key key_of(const nt::Module& module);
    struct Job;
    [[nodiscard]] bool is_there(VirtAddr address, Work& work) const;
    [[nodiscard]] bool is_lasting(const ModuleSites& sites, Work& work) const;
    std::optional<SiteKey> cache_key(const nt::Module& module, const std::vector<RoutineAddress>& routines, Work& work);
    [[nodiscard]] bool agrees(const nt::Module& module, const SiteIndex& index, Work& work) const;
    void keep(const nt::Module& module, std::unique_ptr<ModuleSites> sites);
    void fill(const std::vector<nt::Module*>& modules, Work& work);
    void run(std::vector<Job>& jobs, const std::vector<RoutineAddress>& routines, Work& work);
    void name(nt::Module& module, ModuleSites& sites);

    nt::Kernel& kernel_;
    ModuleSites stopped_;
    std::map<Key, std::unique_ptr<ModuleSites>> known_;
    SiteCache cache_;
};

} // namespace poolkd::code
