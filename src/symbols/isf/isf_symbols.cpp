#include "symbols/isf/isf_symbols.h"

#include "base/text.h"
#include "symbols/names.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace poolkd::symbols {

namespace {

constexpr std::uint16_t image_machine_x86 = 0x14c;
// How far to walk down from an address over symbols that do not count for it.
constexpr std::size_t max_way_down = 4096;

} // namespace

IsfSymbols::IsfSymbols(IsfTable table, std::string file, std::vector<pe::Section> sections)
    : table_(std::move(table)), file_(std::move(file)), sections_(std::move(sections)), types_(table_) {}

void IsfSymbols::index_names() {
    if (!names_.empty()) return;
    names_.reserve(table_.symbols().size());
    for (std::uint32_t i = 0; i < table_.symbols().size(); ++i)
        if (const std::string_view name = table_.symbols()[i].name; !is_mangled(name))
            names_.push_back({hash_ignore_case(undecorate(name)), i});
    std::ranges::sort(names_, {}, &Hashed::hash);
}

void IsfSymbols::index_addresses() {
    if (!addresses_.empty()) return;
    const auto& symbols = table_.symbols();
    addresses_.resize(symbols.size());
    std::iota(addresses_.begin(), addresses_.end(), 0u);
    std::ranges::sort(addresses_, {}, [&](std::uint32_t i) { return std::pair(symbols[i].rva, i); });
}

const pe::Section* IsfSymbols::section_of(std::uint32_t rva) const {
    const auto found = std::ranges::find_if(sections_, [&](const auto& section) { return section.contains(rva); });
    return found == sections_.end() ? nullptr : &*found;
}

bool IsfSymbols::is_code(const IsfSymbol& symbol) const {
    const pe::Section* section = section_of(symbol.rva);
    return section && section->is_code() && !is_data_name(symbol.name);
}

Symbol IsfSymbols::make(const IsfSymbol& symbol) const {
    Symbol made{undecorate(symbol.name), symbol.rva, 0, is_code(symbol), Provenance::isf};
    if (table_.machine() == image_machine_x86 && made.is_code) made.argument_bytes = stack_argument_bytes(symbol.name);
    return made;
}

void IsfSymbols::collect(const Index& index, std::string_view name, std::string_view hashed,
                         std::vector<Symbol>& found) const {
    for (const Hashed& entry : std::ranges::equal_range(index, hash_ignore_case(hashed), {}, &Hashed::hash)) {
        const IsfSymbol& symbol = table_.symbols()[entry.index];
        Symbol made = make(symbol);
        if (equals_ignore_case(made.name, name) || equals_ignore_case(symbol.name, name))
            found.push_back(std::move(made));
    }
}

std::optional<Symbol> IsfSymbols::find(std::string_view name) {
    auto all = find_all(name);
    if (all.empty()) return std::nullopt;
    return std::move(all.front());
}

std::vector<Symbol> IsfSymbols::find_all(std::string_view name) {
    std::scoped_lock lock(mutex_);
    index_names();
    std::vector<Symbol> found;
    collect(names_, name, name, found);
    // "_Name@8" is found too.
    if (const std::string bare = undecorate(name); bare != name) collect(names_, name, bare, found);
    if (found.empty()) {
        if (!mangled_) {
            mangled_.emplace();
            for (std::uint32_t i = 0; i < table_.symbols().size(); ++i)
                if (const std::string_view stored = table_.symbols()[i].name;
                    is_mangled(stored) && !is_string_literal(stored))
                    mangled_->push_back({hash_ignore_case(undecorate(stored)), i});
            std::ranges::sort(*mangled_, {}, &Hashed::hash);
        }
        collect(*mangled_, name, undecorate(name), found);
    }
    std::ranges::sort(found, {}, [&](const Symbol& s) { return std::tuple(s.name != name, s.rva, s.name); });
    return found;
}

std::optional<Symbol> IsfSymbols::nearest(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    index_addresses();
    const auto& symbols = table_.symbols();
    const pe::Section* section = section_of(rva);
    if (!section && !sections_.empty()) return std::nullopt;
    const bool in_code = section && section->is_code();
    const IsfSymbol* best = nullptr;
    auto position = std::ranges::upper_bound(addresses_, rva, {}, [&](std::uint32_t i) { return symbols[i].rva; });
    for (std::size_t steps = 0; position != addresses_.begin() && steps < max_way_down; ++steps) {
        const IsfSymbol& symbol = symbols[*--position];
        // Of several names for one place the first counts.
        if ((section && !section->contains(symbol.rva)) || (best && symbol.rva != best->rva)) break;
        if (in_code && !is_code(symbol)) continue;
        best = &symbol;
    }
    if (!best) return std::nullopt;
    return make(*best);
}

std::optional<Symbol> IsfSymbols::next(std::uint32_t rva) {
    std::scoped_lock lock(mutex_);
    index_addresses();
    const auto& symbols = table_.symbols();
    auto above = std::ranges::upper_bound(addresses_, rva, {}, [&](std::uint32_t i) { return symbols[i].rva; });
    if (above == addresses_.end()) return std::nullopt;
    return make(symbols[*above]);
}

std::vector<Symbol> IsfSymbols::match(std::string_view pattern, std::size_t limit) {
    std::scoped_lock lock(mutex_);
    index_addresses();
    const SymbolPattern wanted(pattern);
    std::vector<Symbol> found;
    for (std::uint32_t i : addresses_) {
        if (found.size() == limit) break;
        const IsfSymbol& symbol = table_.symbols()[i];
        if (is_string_literal(symbol.name)) continue;
        if (wanted.matches(undecorate(symbol.name))) found.push_back(make(symbol));
    }
    return found;
}

Result<StructLayout> IsfSymbols::layout(std::string_view type_name) {
    std::scoped_lock lock(mutex_);
    return types_.layout(without_type_keyword(trim(type_name)));
}

Result<TypePtr> IsfSymbols::type(std::string_view type_name) {
    constexpr unsigned max_stars = 8;
    std::scoped_lock lock(mutex_);
    std::string_view name = trim(type_name);
    unsigned stars = 0;
    for (; name.ends_with('*') && stars < max_stars; ++stars)
        name = trim(name.substr(0, name.size() - 1));
    POOLKD_TRY(TypePtr type, types_.named(without_type_keyword(name)));
    for (; stars > 0; --stars)
        type = types_.pointer_to(std::move(type));
    return type;
}

std::optional<TypePtr> IsfSymbols::type_of_symbol(std::string_view /*symbol_name*/) {
    return std::nullopt;
}

std::vector<std::string> IsfSymbols::match_types(std::string_view pattern, std::size_t limit) {
    std::scoped_lock lock(mutex_);
    std::vector<std::string> found;
    for (const auto* list : {&table_.types(), &table_.enumerations()})
        for (const IsfType& type : *list)
            if (wildcard_match(pattern, type.name)) found.emplace_back(type.name);
    std::ranges::sort(found);
    if (found.size() > limit) found.resize(limit);
    return found;
}

std::optional<SourceLine> IsfSymbols::line(std::uint32_t /*rva*/) {
    return std::nullopt;
}

} // namespace poolkd::symbols
