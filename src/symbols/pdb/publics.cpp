#include "symbols/pdb/publics.h"

#include "base/text.h"
#include "symbols/names.h"

#include <algorithm>

namespace poolkd::symbols {

namespace {

constexpr std::uint16_t machine_x86 = 0x14c;
// How far to walk down from an address over symbols that do not count for it.
constexpr std::size_t max_steps = 4096;

} // namespace

Publics::Publics(const PdbFile& file, const Dbi& dbi)
    : file_(file), dbi_(dbi), records_(dbi.present() ? file.stream(dbi.symbol_record_stream()) : PdbStream()) {}

void Publics::load() {
    if (loaded_) return;
    loaded_ = true;
    if (!dbi_.present()) return;
    hash_ = NameHash::of_publics(file_);
    by_address_ = NameHash::public_address_order(file_);
    if (!hash_ || by_address_.empty()) scan();
}

void Publics::scan() {
    hash_.reset();
    by_address_.clear();
    std::vector<std::pair<SegmentOffset, std::uint32_t>> places;
    for (std::uint64_t offset = 0; offset < records_.size();) {
        Bytes record = records_.record(offset, scratch_);
        if (record.empty()) break;
        if (auto symbol = parse_symbol(record); symbol && symbol->kind == RecordKind::public_symbol) {
            const auto at = static_cast<std::uint32_t>(offset);
            places.emplace_back(SegmentOffset{symbol->segment, symbol->offset}, at);
            scanned_.push_back({hash_ignore_case(symbol->name), at});
        }
        offset += record.size();
    }
    std::ranges::sort(places);
    std::ranges::sort(scanned_, {}, &Hashed::hash);
    for (const auto& place : places)
        by_address_.push_back(place.second);
}

std::optional<SymbolRecord> Publics::at(std::uint32_t offset) {
    auto symbol = parse_symbol(records_.record(offset, scratch_));
    if (!symbol || symbol->kind != RecordKind::public_symbol) return std::nullopt;
    return symbol;
}

bool Publics::is_code(const SymbolRecord& record) const {
    if (is_string_literal(record.name)) return false;
    if (record.is_function) return true;
    // No linker marks the labels of assembler sources.
    return dbi_.addresses().is_code(record.segment) && !is_data_name(record.name);
}

PdbSymbol Publics::make(const SymbolRecord& record) const {
    PdbSymbol symbol{{record.segment, record.offset}, undecorate(record.name), 0, 0, is_code(record), false};
    if (dbi_.machine() == machine_x86 && symbol.is_code) symbol.argument_bytes = stack_argument_bytes(record.name);
    return symbol;
}

void Publics::find_stored(std::string_view stored_name, std::vector<std::uint32_t>& offsets) {
    auto check = [&](std::uint32_t offset) {
        auto symbol = at(offset);
        if (symbol && equals_ignore_case(symbol->name, stored_name)) offsets.push_back(offset);
    };
    if (hash_) {
        hash_->candidates(stored_name, check);
    } else {
        for (const Hashed& entry : std::ranges::equal_range(scanned_, hash_ignore_case(stored_name), {}, &Hashed::hash))
            check(entry.offset);
    }
}

void Publics::find_mangled(std::string_view name, std::vector<std::uint32_t>& offsets) {
    if (!mangled_) {
        mangled_.emplace();
        for (std::uint32_t offset : by_address_)
            if (auto symbol = at(offset); symbol && is_mangled(symbol->name) && !is_string_literal(symbol->name))
                mangled_->push_back({hash_ignore_case(undecorate(symbol->name)), offset});
        std::ranges::sort(*mangled_, {}, &Hashed::hash);
    }
    for (const Hashed& entry : std::ranges::equal_range(*mangled_, hash_ignore_case(name), {}, &Hashed::hash))
        if (auto symbol = at(entry.offset); symbol && equals_ignore_case(undecorate(symbol->name), name))
            offsets.push_back(entry.offset);
}

std::vector<PdbSymbol> Publics::find(std::string_view name) {
    load();
    std::vector<std::uint32_t> offsets;
    for (const std::string& stored : decorations(name, dbi_.machine() == machine_x86))
        find_stored(stored, offsets);
    if (offsets.empty()) find_mangled(name, offsets);
    std::vector<PdbSymbol> found;
    for (std::uint32_t offset : offsets)
        if (auto symbol = at(offset); symbol && dbi_.addresses().rva({symbol->segment, symbol->offset}))
            found.push_back(make(*symbol));
    return found;
}

std::optional<PdbSymbol> Publics::nearest(SegmentOffset place) {
    load();
    auto place_of = [&](std::uint32_t offset) {
        auto symbol = at(offset);
        return symbol ? SegmentOffset{symbol->segment, symbol->offset} : SegmentOffset{};
    };
    const bool in_code = dbi_.addresses().is_code(place.segment);
    std::optional<PdbSymbol> best;
    auto position = std::ranges::upper_bound(by_address_, place, {}, place_of);
    for (std::size_t steps = 0; position != by_address_.begin() && steps < max_steps; ++steps) {
        auto symbol = at(*--position);
        if (!symbol) continue;
        // Of several names for one place the first counts.
        if (symbol->segment != place.segment || (best && symbol->offset != best->place.offset)) break;
        if (in_code && !is_code(*symbol)) continue;
        best = make(*symbol);
    }
    return best;
}

std::optional<PdbSymbol> Publics::next(SegmentOffset place) {
    load();
    auto place_of = [&](std::uint32_t offset) {
        auto symbol = at(offset);
        return symbol ? SegmentOffset{symbol->segment, symbol->offset} : SegmentOffset{};
    };
    for (auto position = std::ranges::upper_bound(by_address_, place, {}, place_of); position != by_address_.end();
         ++position)
        if (auto symbol = at(*position); symbol && dbi_.addresses().rva({symbol->segment, symbol->offset}))
            return make(*symbol);
    return std::nullopt;
}

void Publics::for_each(const std::function<void(const SymbolRecord&)>& visit) {
    load();
    for (std::uint32_t offset : by_address_)
        if (auto symbol = at(offset); symbol && dbi_.addresses().rva({symbol->segment, symbol->offset})) visit(*symbol);
}

} // namespace poolkd::symbols
