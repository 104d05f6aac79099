#pragma once

#include "nt/module.h"
#include "target/target.h"

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace poolkd::nt {

class Layout;

/// Finds symbols for a module; installed by the session, which owns the symbol path. Sets `symbols`, `symbol_state`
/// and `symbol_note`; the module's image and identity are known already.
using SymbolLoader = std::function<void(Module&)>;

/// The images of the kernel's loader list, and their symbols, loaded when first needed.
class Modules {
  public:
    Modules(target::Target& target, SymbolLoader loader);

    /// Reads PsLoadedModuleList anew. Modules that are still there (same base, size, time stamp) keep their symbols.
    /// The kernel itself is always present, even when the list cannot be walked; then the coverage tells how far it
    /// got.
    Answer<std::size_t> refresh();
    /// Forgets symbols: of all modules, or of those whose names match.
    void drop_symbols(std::string_view pattern = "*");
    /// Drops one module from the list (`.reload /u`); false when there is none of that name.
    bool forget(std::string_view name);

    [[nodiscard]] std::span<const std::unique_ptr<Module>> loaded() const { return modules_; }
    [[nodiscard]] std::span<const UnloadedModule> unloaded() const { return unloaded_; }
    /// How much of the kernel's list of them could be read.
    [[nodiscard]] const Coverage& unloaded_coverage() const { return unloaded_coverage_; }
    [[nodiscard]] Module& kernel() { return *modules_.front(); }

    /// By module name ("nt", "leaky") or image name ("leaky.sys"), without regard to case.
    [[nodiscard]] Module* find(std::string_view name);
    [[nodiscard]] Module* containing(VirtAddr address);
    [[nodiscard]] const UnloadedModule* unloaded_containing(VirtAddr address) const;

    /// PsLoadedModuleList, as the target states it or as the kernel's symbols do: an image may state nothing, and the
    /// debugger data block may be encoded. 0: not known.
    [[nodiscard]] VirtAddr list_head();

    /// Fills in what the loader list of some kernels does not tell: the time stamp, from the image's header.
    void identify(Module& module);
    /// The module's symbols, loading them now if nobody has; null when there are none (see `symbol_note`).
    symbols::ModuleSymbols* symbols(Module& module);

    struct Found {
        Module* module;
        symbols::Symbol symbol;
        [[nodiscard]] VirtAddr address() const { return module->base + symbol.rva; }
        [[nodiscard]] std::string text() const { return module->name + "!" + symbol.name; }
    };
    /// "module!name" looks in that module, a bare name in all modules whose symbols are loaded, the kernel's first,
    /// then in the deferred ones. All matches of the first module that has any.
    std::vector<Found> find_symbol(std::string_view name);
    SymbolAt at(VirtAddr address);

    void set_loader(SymbolLoader loader) { loader_ = std::move(loader); }
    /// How the loader list was read: by the symbols' structure, or by the layout that all kernels share.
    [[nodiscard]] bool used_known_layout() const { return used_known_layout_; }

  private:
    /// What is known of the kernel before the loader's list is read.
    std::unique_ptr<Module> kernel_at(VirtAddr base);
    using List = std::vector<std::unique_ptr<Module>>;
    void read_loader_list(List& fresh, Coverage& coverage);
    /// The same from the records of a dump that has no memory of the list.
    void take_driver_records(const dumps::TriageRecords& records, List& fresh);
    /// Adds what a list tells of a module, to the module itself where it is known already.
    void take(Module entry, List& fresh);
    /// Without what could not be read of its names.
    Result<Module> read_entry(VirtAddr entry, const Layout& layout);
    void read_unloaded();
    Layout loader_entry_layout();

    target::Target& target_;
    SymbolLoader loader_;
    List modules_; ///< the kernel first
    std::vector<UnloadedModule> unloaded_;
    Coverage unloaded_coverage_;
    bool used_known_layout_ = false;
};

} // namespace poolkd::nt
