#include "symbols/isf/isf_search.h"

#include "symbols/isf/unpack.h"
#include "symbols/store_pointer.h"

#include <filesystem>

namespace poolkd::symbols {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t guid_digits = 32;

/// The file's name without its extension, as Volatility writes it.
std::string table_stem(const pe::PdbIdentity& identity) {
    return fmt::format("{}-{}", identity.text().substr(0, guid_digits), identity.age);
}

} // namespace

Result<FoundTable> open_matching_isf(const std::string& path, const pe::PdbIdentity& wanted) {
    POOLKD_TRY(std::string text, read_packed_text(path));
    POOLKD_TRY(IsfTable table, IsfTable::parse(std::move(text), path));
    if (!table.pdb()) return fail(ErrorKind::malformed, "{} does not tell of which PDB it was made", path);
    if (table.pdb()->identity != wanted)
        return fail(ErrorKind::mismatch, "{} does not belong to this image: it is {}, the image asks for {}", path,
                    table.pdb()->identity.text(), wanted.text());
    return FoundTable{std::move(table), path};
}

Result<FoundTable> find_isf(const pe::PdbReference& wanted, const SymbolPath& path, const SearchOptions& options) {
    const auto say = [&](std::string line) {
        if (options.log) options.log->add(std::move(line));
    };
    const std::string name = wanted.file_name();
    const std::string stem = table_stem(wanted.identity);
    std::vector<PathParts> folders{{}};
    if (!name.empty()) folders = {{name}, {"windows", name}, {"symbols", "windows", name}, {}};
    std::optional<Error> refusal;
    for (const SymbolPathElement& element : path.elements()) {
        if (options.work && options.work->stop_requested())
            return fail(ErrorKind::stopped, "The search for {} was stopped", name);
        const fs::path root = local_path(element.location);
        std::error_code code;
        if (element.kind == SymbolPathElement::Kind::server || !fs::is_directory(root, code)) continue;
        for (const PathParts& parts : folders) {
            const auto folder = resolve_path(root, parts);
            for (std::string_view extension : {".json.xz", ".json.gz", ".json"}) {
                if (!folder) break;
                const auto file = resolve_path(*folder, {stem + std::string(extension)});
                if (!file) continue;
                auto found = open_matching_isf(file->string(), wanted.identity);
                say(fmt::format("DBGHELP: {} - {}", file->string(), found ? "found" : found.error().message));
                if (found) return found;
                if (!refusal) refusal = std::move(found).error();
            }
        }
        say(fmt::format("DBGHELP: {} - no symbol table {}.json.xz, .json.gz or .json", root.string(), stem));
    }
    if (refusal) return std::unexpected(std::move(*refusal));
    return fail(ErrorKind::not_found, "There is no symbol table {}.json.xz either", stem);
}

} // namespace poolkd::symbols
