#include "symbols/symbol_store.h"

#include "pe/debug_directory.h"
#include "symbols/export_symbols.h"
#include "symbols/pdb/pdb_symbols.h"

#include <algorithm>

namespace poolkd::symbols {

std::shared_ptr<ModuleSymbols> SymbolStore::cached(const std::string& identity) {
    std::scoped_lock lock(mutex_);
    auto found = by_identity_.find(identity);
    return found == by_identity_.end() ? nullptr : found->second.lock();
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::keep(std::shared_ptr<PdbFile> file) {
    const std::string identity = file->identity().text();
    POOLKD_TRY(std::shared_ptr<ModuleSymbols> opened, PdbSymbols::open(std::move(file)));
    std::scoped_lock lock(mutex_);
    std::erase_if(by_identity_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<ModuleSymbols>& slot = by_identity_[identity];
    // Another thread may have been quicker.
    if (auto earlier = slot.lock()) return earlier;
    slot = opened;
    return opened;
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::open(const pe::PdbReference& wanted, std::string_view image_name,
                                                         const SymbolPath& path, SearchLog* log) {
    if (auto known = cached(wanted.identity.text())) {
        if (log) log->add(fmt::format("DBGHELP: {} - already open", known->file()));
        return known;
    }
    POOLKD_TRY(std::shared_ptr<PdbFile> file, find_pdb(wanted, image_name, path, log));
    return keep(std::move(file));
}

Result<std::shared_ptr<ModuleSymbols>> SymbolStore::open_file(const std::string& path) {
    POOLKD_TRY(std::shared_ptr<PdbFile> file, PdbFile::open(path));
    if (auto known = cached(file->identity().text())) return known;
    return keep(std::move(file));
}

LoadedSymbols SymbolStore::load(pe::ByteReader& reader, pe::ImageLayout layout, std::string_view image_name,
                                const SymbolPath& path, SearchLog* log) {
    auto image = pe::Image::open(reader, layout);
    if (!image)
        return {nullptr, fmt::format("Unable to read the image header of {}: {}", image_name, image.error().message)};
    std::string problem;
    auto reference = pe::find_pdb_reference(*image);
    if (!reference) {
        problem = fmt::format("The debug record of {} cannot be read: {}", image_name, reference.error().message);
    } else if (!*reference) {
        problem = fmt::format("{} has no record of the PDB that belongs to it", image_name);
    } else {
        auto symbols = open(**reference, image_name, path, log);
        if (symbols) return {std::move(*symbols), {}};
        problem = symbols.error().message;
    }
    if (auto exported = ExportSymbols::read(*image))
        return {std::move(*exported),
                fmt::format("{}. Only the names that {} exports are known: no types, no statics, no sizes", problem,
                            image_name)};
    return {nullptr, fmt::format("{}, and {} exports no names", problem, image_name)};
}

std::size_t SymbolStore::open_count() {
    std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(by_identity_, [](const auto& entry) { return !entry.second.expired(); }));
}

} // namespace poolkd::symbols
