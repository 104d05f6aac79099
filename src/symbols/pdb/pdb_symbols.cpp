#include "symbols/pdb/pdb_symbols.h"

#include "base/text.h"
#include "symbols/names.h"
#include "symbols/pdb/parameters.h"

#include <algorithm>
#include <tuple>

namespace poolkd::symbols {

namespace {

/// Public and private symbols describe the same places: the private one stays, since it knows more.
void drop_duplicates(std::vector<PdbSymbol>& symbols) {
    auto key = [](const PdbSymbol& s) { return std::tuple(s.place, to_lower(s.name)); };
    std::ranges::sort(symbols, {}, [&](const PdbSymbol& s) { return std::tuple(key(s), !s.is_private, s.name); });
    auto same = [&](const PdbSymbol& a, const PdbSymbol& b) { return key(a) == key(b); };
    symbols.erase(std::unique(symbols.begin(), symbols.end(), same), symbols.end());
}

} // namespace

PdbSymbols::PdbSymbols(std::shared_ptr<PdbFile> file, Dbi dbi)
    : file_(std::move(file)), dbi_(std::move(dbi)), publics_(*file_, dbi_), privates_(*file_, dbi_),
      frames_(*file_, dbi_) {
    if (auto types = TypeTable::load(*file_)) {
        types_ = std::move(*types);
        builder_.emplace(*types_);
    } else {
        no_types_ = std::move(types).error();
    }
}

Result<std::shared_ptr<PdbSymbols>> PdbSymbols::open(std::shared_ptr<PdbFile> file) {
    POOLKD_TRY(Dbi dbi, Dbi::load(*file));
    return std::shared_ptr<PdbSymbols>(new PdbSymbols(std::move(file), std::move(dbi)));
}

Provenance PdbSymbols::provenance() const {
    return dbi_.is_private() ? Provenance::pdb_private : Provenance::pdb_public;
}

std::optional<Symbol> PdbSymbols::to_symbol(const PdbSymbol& symbol) const {
    auto rva = dbi_.addresses().rva(symbol.place);
    if (!rva) return std::nullopt;
    return Symbol{symbol.name,
                  *rva,
                  symbol.size,
                  symbol.is_code,
                  symbol.is_private ? Provenance::pdb_private : Provenance::pdb_public,
                  symbol.argument_bytes};
}

std::vector<PdbSymbol> PdbSymbols::find_pdb(std::string_view name) {
    std::vector<PdbSymbol> found = privates_.find(name);
    for (PdbSymbol& symbol : publics_.find(name))
        found.push_back(std::move(symbol));
    drop_duplicates(found);
    std::ranges::sort(found, {}, [&](const PdbSymbol& s) { return std::tuple(s.name != name, s.place); });
    return found;
}

std::optional<Symbol> PdbSymbols::find(std::string_view name) {
    auto all = find_all(name);
    if (all.empty()) return std::nullopt;
    return std::move(all.front());
}

std::vector<Symbol> PdbSymbols::find_all(std::string_view name) {
    std::scoped_lock lock(mutex_);
    std::vector<Symbol> symbols;
    for (const PdbSymbol& found : find_pdb(name))
        if (auto symbol = to_symbol(found)) symbols.push_back(std::move(*symbol));
    return symbols;
}

std::optional<Symbol> PdbSymbols::nearest(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    auto place = dbi_.addresses().place(rva);
    if (!place) return std::nullopt;
    auto known = publics_.nearest(*place);
    auto hidden = privates_.nearest(*place);
    if (!known && !hidden) return std::nullopt;
    auto symbol = to_symbol(!known || (hidden && hidden->place >= known->place) ? *hidden : *known);
    // Only the linker's name tells the calling convention.
    if (symbol && known && hidden && known->place == hidden->place) symbol->argument_bytes = known->argument_bytes;
    // In an image that was rearranged the translation may lead elsewhere.
    if (symbol && symbol->rva > rva) return std::nullopt;
    return symbol;
}

std::optional<Symbol> PdbSymbols::next(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    auto place = dbi_.addresses().place(rva);
    if (!place) return std::nullopt;
    auto known = publics_.next(*place);
    auto hidden = privates_.next(*place);
    if (!known && !hidden) return std::nullopt;
    auto symbol = to_symbol(!known || (hidden && hidden->place <= known->place) ? *hidden : *known);
    if (symbol && symbol->rva <= rva) return std::nullopt;
    return symbol;
}

std::vector<Symbol> PdbSymbols::match(std::string_view pattern, std::size_t limit) {
    std::scoped_lock lock(mutex_);
    const SymbolPattern wanted(pattern);
    std::vector<PdbSymbol> found;
    publics_.for_each([&](const SymbolRecord& record) {
        if (is_string_literal(record.name)) return;
        PdbSymbol symbol = publics_.make(record);
        if (wanted.matches(symbol.name)) found.push_back(std::move(symbol));
    });
    privates_.match([&](std::string_view name) { return wanted.matches(name); }, found);
    drop_duplicates(found);
    std::vector<Symbol> symbols;
    for (const PdbSymbol& symbol : found) {
        if (symbols.size() == limit) break;
        if (auto with_rva = to_symbol(symbol)) symbols.push_back(std::move(*with_rva));
    }
    if (dbi_.addresses().moved()) std::ranges::sort(symbols, {}, &Symbol::rva);
    return symbols;
}

Result<std::uint32_t> PdbSymbols::type_index(std::string_view type_name) {
    if (!types_) return std::unexpected(*no_types_);
    const std::string_view name = without_type_keyword(trim(type_name));
    auto defined = types_->find(name);
    if (!defined.empty()) return defined.front();
    if (std::uint32_t index = privates_.find_typedef(name)) return index;
    return fail(ErrorKind::not_found, "The symbols of {} have no type {}", file_->path(), name);
}

Result<StructLayout> PdbSymbols::layout(std::string_view type_name) {
    std::scoped_lock lock(mutex_);
    POOLKD_TRY(std::uint32_t index, type_index(type_name));
    return builder_->layout(index);
}

Result<StructLayout> PdbSymbols::layout_of(const Type& type) {
    if (type.id == 0) return layout(type.name);
    std::scoped_lock lock(mutex_);
    if (!types_) return std::unexpected(*no_types_);
    return builder_->layout(type.id);
}

Result<TypePtr> PdbSymbols::type(std::string_view type_name) {
    std::scoped_lock lock(mutex_);
    std::string_view name = trim(type_name);
    unsigned stars = 0;
    for (; name.ends_with('*') && stars < 8; ++stars)
        name = trim(name.substr(0, name.size() - 1));
    POOLKD_TRY(std::uint32_t index, type_index(name));
    TypePtr type = builder_->type(index);
    const bool is_32 = dbi_.machine() == 0x14c;
    for (; stars > 0; --stars) {
        Type pointer;
        pointer.kind = TypeKind::pointer;
        pointer.size = is_32 ? 4 : 8;
        pointer.name = fmt::format("Ptr{} {}", pointer.size * 8, type->name);
        pointer.element = std::move(type);
        type = std::make_shared<const Type>(std::move(pointer));
    }
    return type;
}

std::optional<TypePtr> PdbSymbols::type_of_symbol(std::string_view symbol_name) {
    std::scoped_lock lock(mutex_);
    if (!types_) return std::nullopt;
    for (const PdbSymbol& symbol : find_pdb(symbol_name))
        if (symbol.is_private && !symbol.is_code && symbol.type != 0) return builder_->type(symbol.type);
    return std::nullopt;
}

std::vector<std::string> PdbSymbols::match_types(std::string_view pattern, std::size_t limit) {
    std::scoped_lock lock(mutex_);
    return types_ ? types_->match(pattern, limit) : std::vector<std::string>();
}

std::optional<FrameRecord> PdbSymbols::frame(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    return frames_.at(rva);
}

std::vector<std::uint32_t> PdbSymbols::declared_parameters(std::uint32_t function_type) {
    // LF_PROCEDURE: return type, calling convention, attributes, count, list. LF_MFUNCTION has the class and the type
    // of `this` behind the return type.
    constexpr std::uint16_t procedure = 0x1008, member_function = 0x1009, argument_list = 0x1201;
    constexpr std::uint32_t max_parameters = 255;
    std::vector<std::uint32_t> types;
    const auto number = [](Bytes record, std::size_t at) { return load_or<std::uint32_t>(record, at); };
    Bytes record = types_->record(function_type);
    const auto kind = load_or<std::uint16_t>(record, 2);
    if (kind != procedure && kind != member_function) return types;
    if (const auto own = kind == member_function ? number(record, 12) : 0; own != 0) types.push_back(own);
    record = types_->record(number(record, kind == procedure ? 12 : 20));
    if (load_or<std::uint16_t>(record, 2) != argument_list) return types;
    for (std::uint32_t i = 0; i < std::min(number(record, 4), max_parameters); ++i)
        types.push_back(number(record, 8 + 4 * i));
    return types;
}

std::optional<std::vector<Variable>> PdbSymbols::parameters(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    auto place = dbi_.addresses().place(rva);
    if (!place || !types_) return std::nullopt;
    auto procedure = privates_.procedure_at(*place);
    if (!procedure) return std::nullopt;
    const Compiland& compiland = dbi_.compilands()[procedure->compiland];
    const std::vector<std::uint32_t> declared = declared_parameters(procedure->type);
    std::vector<ParameterRecord> records = read_parameters(file_->stream(compiland.stream), compiland.symbol_bytes,
                                                           procedure->offset, *place, declared.size(), dbi_.machine());
    // Compilers leave out parameters without a name: those are put back where the types show the gap.
    for (std::size_t i = 0; i < declared.size() && records.size() < declared.size(); ++i)
        if (i == records.size() || records[i].type != declared[i])
            records.insert(records.begin() + static_cast<std::ptrdiff_t>(i), {{}, declared[i], std::nullopt});
    std::vector<Variable> variables;
    for (ParameterRecord& record : records)
        variables.push_back({std::move(record.name), builder_->type(record.type), record.home});
    return variables;
}

std::optional<SourceLine> PdbSymbols::line(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    auto place = dbi_.addresses().place(rva);
    return place ? find_line(*file_, dbi_, *place) : std::nullopt;
}

} // namespace poolkd::symbols
