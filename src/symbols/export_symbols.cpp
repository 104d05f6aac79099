#include "symbols/export_symbols.h"

#include "base/text.h"
#include "symbols/names.h"

#include <algorithm>
#include <utility>

namespace poolkd::symbols {

namespace {

std::unexpected<Error> no_types() {
    return fail(ErrorKind::unsupported, "The export table of an image has no types; that needs its PDB");
}

} // namespace

Result<std::shared_ptr<ExportSymbols>> ExportSymbols::read(const pe::Image& image, std::string file) {
    POOLKD_TRY(pe::ExportTable table, pe::ExportTable::read(image));
    auto symbols = std::make_shared<ExportSymbols>();
    symbols->file_ = std::move(file);
    symbols->sections_.assign(image.sections().begin(), image.sections().end());
    for (const pe::Export& entry : table.all()) {
        if (entry.name.empty() || !entry.forwarder.empty()) continue;
        auto section = std::ranges::find_if(symbols->sections_, [&](const auto& s) { return s.contains(entry.rva); });
        if (section == symbols->sections_.end()) continue;
        Symbol symbol{is_mangled(entry.name) ? undecorate(entry.name) : entry.name, entry.rva, 0, section->is_code(),
                      Provenance::exports};
        symbols->by_address_.push_back(
            {std::move(symbol), entry.name, static_cast<std::size_t>(section - symbols->sections_.begin())});
    }
    if (symbols->by_address_.empty()) return fail(ErrorKind::not_found, "The image exports nothing by name");
    std::ranges::sort(symbols->by_address_, {},
                      [](const Entry& e) { return std::pair(e.symbol.rva, std::string_view(e.stored)); });
    return symbols;
}

std::optional<Symbol> ExportSymbols::find(std::string_view name) {
    auto all = find_all(name);
    if (all.empty()) return std::nullopt;
    return std::move(all.front());
}

std::vector<Symbol> ExportSymbols::find_all(std::string_view name) {
    std::vector<Symbol> found;
    for (const Entry& entry : by_address_)
        if (equals_ignore_case(entry.symbol.name, name) || equals_ignore_case(entry.stored, name))
            found.push_back(entry.symbol);
    std::ranges::sort(found, {}, [&](const Symbol& s) { return std::pair(s.name != name, s.rva); });
    return found;
}

std::optional<Symbol> ExportSymbols::nearest(std::uint32_t rva) {
    auto section = std::ranges::find_if(sections_, [&](const auto& s) { return s.contains(rva); });
    if (section == sections_.end()) return std::nullopt;
    auto after = std::ranges::upper_bound(by_address_, rva, {}, [](const Entry& e) { return e.symbol.rva; });
    if (after == by_address_.begin()) return std::nullopt;
    const Entry* found = &*(after - 1);
    if (found->section != static_cast<std::size_t>(section - sections_.begin())) return std::nullopt;
    // Of several names for one place the first counts.
    while (found != by_address_.data() && (found - 1)->symbol.rva == found->symbol.rva)
        --found;
    return found->symbol;
}

std::optional<Symbol> ExportSymbols::next(std::uint32_t rva) {
    auto after = std::ranges::upper_bound(by_address_, rva, {}, [](const Entry& e) { return e.symbol.rva; });
    if (after == by_address_.end()) return std::nullopt;
    return after->symbol;
}

std::vector<Symbol> ExportSymbols::match(std::string_view pattern, std::size_t limit) {
    const SymbolPattern wanted(pattern);
    std::vector<Symbol> found;
    for (const Entry& entry : by_address_) {
        if (found.size() == limit) break;
        if (wanted.matches(entry.symbol.name)) found.push_back(entry.symbol);
    }
    return found;
}

Result<StructLayout> ExportSymbols::layout(std::string_view /*type_name*/) {
    return no_types();
}
Result<TypePtr> ExportSymbols::type(std::string_view /*type_name*/) {
    return no_types();
}
std::optional<TypePtr> ExportSymbols::type_of_symbol(std::string_view /*symbol_name*/) {
    return std::nullopt;
}
std::vector<std::string> ExportSymbols::match_types(std::string_view /*pattern*/, std::size_t /*limit*/) {
    return {};
}
std::optional<SourceLine> ExportSymbols::line(std::uint32_t /*rva*/) {
    return std::nullopt;
}

} // namespace poolkd::symbols
