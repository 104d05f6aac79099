#include "symbols/symbol_store.h"

#include "pe/debug_directory.h"
#include "symbols/export_symbols.h"
#include "symbols/isf/isf_search.h"
#include "symbols/isf/isf_symbols.h"
#include "symbols/pdb/pdb_symbols.h"

#include <algorithm>

namespace poolkd::symbols {

namespace {

/// What an image says of its symbols.
struct Examined {
    std::optional<pe::Image> image;
    std::optional<pe::PdbReference> pdb;
    bool complete = false; ///< all of it could be read
    std::string problem;   ///< why there is no PDB
};

Examined examine(pe::ByteReader& reader, pe::ImageLayout layout, const std::string& name) {
    Examined seen;
    auto image = pe::Image::open(reader, layout);
    if (!image) {
        seen.problem = fmt::format("Unable to read the image header of {}: {}", name, image.error().message);
        return seen;
    }
    seen.image = std::move(*image);
    auto reference = pe::find_pdb_reference(*seen.image);
    seen.complete = reference.has_value();
    if (!reference) {
        seen.problem = fmt::format("The debug record of {} cannot be read: {}", name, reference.error().message);
    } else if (!*reference) {
        seen.problem = fmt::format("{} has no record of the PDB that belongs to it", name);
    } else {
        seen.pdb = std::move(*reference);
    }
    return seen;
}

} // namespace

std::shared_ptr<ModuleSymbols> SymbolStore::cached(const std::string& identity) {
    std::scoped_lock lock(mutex_);
    auto found = by_identity_.find(identity);
    return found == by_identity_.end() ? nullptr : found->second.lock();
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::keep(std::shared_ptr<PdbFile> file) {
    const std::string identity = file->identity().text();
    POOLKD_TRY(std::shared_ptr<ModuleSymbols> opened, PdbSymbols::open(std::move(file)));
    return keep(identity, std::move(opened));
}

std::shared_ptr<ModuleSymbols> SymbolStore::keep(const std::string& identity, std::shared_ptr<ModuleSymbols> opened) {
    std::scoped_lock lock(mutex_);
    std::erase_if(by_identity_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<ModuleSymbols>& slot = by_identity_[identity];
    // Another thread may have been quicker.
    if (auto earlier = slot.lock()) return earlier;
    slot = opened;
    return opened;
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::open(const pe::PdbReference& wanted, std::string_view image_name,
                                                         const SymbolPath& path, const SearchOptions& options) {
    if (auto known = cached(wanted.identity.text())) {
        if (options.log) options.log->add(fmt::format("DBGHELP: {} - already open", known->file()));
        return known;
    }
    POOLKD_TRY(std::shared_ptr<PdbFile> file, find_pdb(wanted, image_name, path, options));
    return keep(std::move(file));
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::open_table(const pe::PdbReference& wanted, const pe::Image& image,
                                                               const SymbolPath& path, const SearchOptions& options) {
    // Beside the PDB of that identity, which `open` may find later.
    const std::string identity = wanted.identity.text() + " ISF";
    if (auto known = cached(identity)) return known;
    POOLKD_TRY(FoundTable found, find_isf(wanted, path, options));
    const auto sections = image.sections();
    return keep(identity, std::make_shared<IsfSymbols>(std::move(found.table), std::move(found.file),
                                                       std::vector(sections.begin(), sections.end())));
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::open_file(const std::string& path) {
    POOLKD_TRY(std::shared_ptr<PdbFile> file, PdbFile::open(path));
    if (auto known = cached(file->identity().text())) return known;
    return keep(std::move(file));
}

LoadedSymbols SymbolStore::load(pe::ByteReader& reader, pe::ImageLayout layout, const ImageIdentity& identity,
                                const SymbolPath& path, const SearchOptions& options) {
    LoadedSymbols loaded;
    Examined seen = examine(reader, layout, identity.name);
    ByteVector file;
    pe::SpanReader file_reader{{}};
    if (!seen.pdb && !seen.complete && identity.timestamp != 0) {
        if (auto found = find_image(identity, path, options)) {
            file = std::move(*found);
            file_reader = pe::SpanReader(file);
            seen = examine(file_reader, pe::ImageLayout::file, identity.name);
        } else {
            loaded.missing = identity.key();
            loaded.stopped = found.error().kind == ErrorKind::stopped;
            seen.problem += fmt::format(" (its file would do: {})", found.error().message);
        }
    }
    if (seen.pdb) {
        auto symbols = open(*seen.pdb, identity.name, path, options);
        if (symbols) {
            loaded.symbols = std::move(*symbols);
            return loaded;
        }
        seen.problem = symbols.error().message;
        if (symbols.error().kind != ErrorKind::stopped) {
            symbols = open_table(*seen.pdb, *seen.image, path, options);
            if (symbols) {
                loaded.symbols = std::move(*symbols);
                return loaded;
            }
            // That there is none needs no words: few have one.
            if (symbols.error().kind != ErrorKind::not_found) seen.problem += "; " + symbols.error().message;
        }
        loaded.missing = StoreKey::of(*seen.pdb);
        loaded.stopped = symbols.error().kind == ErrorKind::stopped;
    }
    if (!seen.image) {
        loaded.note = seen.problem;
    } else if (auto exported = ExportSymbols::read(*seen.image)) {
        loaded.symbols = std::move(*exported);
        loaded.note = fmt::format("{}. Only the names that {} exports are known: no types, no statics, no sizes",
                                  seen.problem, identity.name);
    } else {
        loaded.note = fmt::format("{}, and {} exports no names", seen.problem, identity.name);
    }
    return loaded;
}

std::size_t SymbolStore::open_count() {
    std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(by_identity_, [](const auto& entry) { return !entry.second.expired(); }));
}

} // namespace poolkd::symbols
