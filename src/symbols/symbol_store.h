#pragma once

#include "pe/image.h"
#include "symbols/module_symbols.h"
#include "symbols/pdb_search.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// What loading the symbols of one module came to.
struct LoadedSymbols {
    std::shared_ptr<ModuleSymbols> symbols; ///< null when there are none at all
    /// What is missing and what to do, in a sentence; empty when the PDB, or what stands for it, was found.
    std::string note;
    /// The file that is missing, by the name that any store has for it: the PDB, or the image when the part of it in
    /// memory that names the PDB cannot be read. Nothing when all is there or no file would help.
    std::optional<StoreKey> missing;
    bool stopped = false; ///< the user stopped the search: another one may find more
};

/// The symbols in use, shared by all targets: a file that is open is not opened again. Symbols stay as long as
/// somebody holds them. Safe to use from several threads.
class SymbolStore {
  public:
    /// The PDB that an image asks for, from the cache or found along the path. Errors: those of find_pdb and of
    /// PdbSymbols::open.
    Result<std::shared_ptr<ModuleSymbols>> open(const pe::PdbReference& wanted, std::string_view image_name,
                                                const SymbolPath& path, const SearchOptions& options = {});
    /// The same for the symbol table (ISF) that was made of that PDB. `image` tells what of it is code. Errors: those
    /// of find_isf.
    Result<std::shared_ptr<ModuleSymbols>> open_table(const pe::PdbReference& wanted, const pe::Image& image,
                                                      const SymbolPath& path, const SearchOptions& options = {});
    /// A PDB by its file name, whatever image it belongs to (`.reload /i`, tests).
    Result<std::shared_ptr<ModuleSymbols>> open_file(const std::string& path);

    /// Symbols for an image: its PDB, else a symbol table made of that, else its export table, else nothing, with a
    /// note on what is missing. `reader` gives the image's bytes as `layout` says; it is not needed afterwards. Where
    /// it cannot give them (they are paged out), the image's file is looked for along the path too.
    LoadedSymbols load(pe::ByteReader& reader, pe::ImageLayout layout, const ImageIdentity& identity,
                       const SymbolPath& path, const SearchOptions& options = {});

    /// PDBs and symbol tables that somebody holds.
    [[nodiscard]] std::size_t open_count();

  private:
    std::shared_ptr<ModuleSymbols> cached(const std::string& identity);
    Result<std::shared_ptr<ModuleSymbols>> keep(std::shared_ptr<PdbFile> file);
    std::shared_ptr<ModuleSymbols> keep(const std::string& identity, std::shared_ptr<ModuleSymbols> opened);

    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<ModuleSymbols>> by_identity_;
};

} // namespace poolkd::symbols
