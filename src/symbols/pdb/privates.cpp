#include "symbols/pdb/privates.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace poolkd::symbols {

namespace {

// How many following contributions to search for the next symbol: most have one of their own.
constexpr std::size_t max_contributions_ahead = 256;

bool has_place(const SymbolRecord& symbol) {
    return symbol.kind == RecordKind::procedure || symbol.kind == RecordKind::data || symbol.kind == RecordKind::thunk;
}

PdbSymbol make(const SymbolRecord& symbol) {
    return {
        {symbol.segment, symbol.offset}, std::string(symbol.name), symbol.size, symbol.type, symbol.is_function, true};
}

} // namespace

Privates::Privates(const PdbFile& file, Dbi& dbi)
    : file_(file), dbi_(dbi), records_(dbi.present() ? file.stream(dbi.symbol_record_stream()) : PdbStream()) {}

void Privates::load() {
    if (loaded_) return;
    loaded_ = true;
    if (dbi_.present()) hash_ = NameHash::of_globals(file_);
}

std::optional<PdbSymbol> Privates::read(std::uint16_t compiland, std::uint32_t record) {
    if (compiland >= dbi_.compilands().size()) return std::nullopt;
    const Compiland& from = dbi_.compilands()[compiland];
    if (record >= from.symbol_bytes) return std::nullopt;
    ByteVector scratch;
    auto symbol = parse_symbol(file_.stream(from.stream).record(record, scratch));
    if (!symbol || !has_place(*symbol)) return std::nullopt;
    return make(*symbol);
}

std::optional<PdbSymbol> Privates::resolve(const SymbolRecord& global) {
    std::optional<PdbSymbol> symbol;
    if (global.kind == RecordKind::data) symbol = make(global);
    if (global.kind == RecordKind::reference && global.module != 0)
        symbol = read(static_cast<std::uint16_t>(global.module - 1), global.record_offset);
    if (symbol && !dbi_.addresses().rva(symbol->place)) symbol.reset();
    return symbol;
}

std::vector<PdbSymbol> Privates::find(std::string_view name) {
    load();
    std::vector<PdbSymbol> found;
    if (!hash_) return found;
    ByteVector scratch;
    hash_->candidates(name, [&](std::uint32_t offset) {
        auto global = parse_symbol(records_.record(offset, scratch));
        if (!global || !equals_ignore_case(global->name, name)) return;
        if (auto symbol = resolve(*global)) found.push_back(std::move(*symbol));
    });
    return found;
}

void Privates::match(const std::function<bool(std::string_view)>& wanted, std::vector<PdbSymbol>& found) {
    load();
    if (!hash_) return;
    ByteVector scratch;
    for (std::size_t i = 0; i < hash_->size(); ++i) {
        auto global = parse_symbol(records_.record(hash_->record(i), scratch));
        if (!global || !wanted(global->name)) continue;
        if (auto symbol = resolve(*global)) found.push_back(std::move(*symbol));
    }
}

std::uint32_t Privates::find_typedef(std::string_view name) {
    load();
    std::uint32_t exact = 0;
    std::uint32_t other = 0;
    if (!hash_) return 0;
    ByteVector scratch;
    hash_->candidates(name, [&](std::uint32_t offset) {
        auto global = parse_symbol(records_.record(offset, scratch));
        if (!global || global->kind != RecordKind::type_name) return;
        if (global->name == name && exact == 0) exact = global->type;
        if (equals_ignore_case(global->name, name) && other == 0) other = global->type;
    });
    return exact ? exact : other;
}

const std::vector<Privates::Entry>& Privates::entries(std::uint16_t compiland) {
    auto [position, is_new] = entries_.try_emplace(compiland);
    std::vector<Entry>& list = position->second;
    if (!is_new || compiland >= dbi_.compilands().size()) return list;
    const Compiland& from = dbi_.compilands()[compiland];
    const PdbStream stream = file_.stream(from.stream);
    const std::uint32_t end = std::min(from.symbol_bytes, stream.size());
    ByteVector scratch;
    constexpr std::uint32_t signature_bytes = 4;
    for (std::uint32_t offset = signature_bytes; offset < end;) {
        Bytes record = stream.record(offset, scratch);
        if (record.empty()) break;
        if (auto symbol = parse_symbol(record); symbol && has_place(*symbol))
            list.push_back({{symbol->segment, symbol->offset}, offset, symbol->is_function});
        offset += static_cast<std::uint32_t>(record.size());
    }
    std::ranges::sort(list, {}, [](const Entry& e) { return std::pair(e.place, e.record); });
    return list;
}

std::optional<PdbSymbol> Privates::nearest(SegmentOffset place) {
    const Contribution* contribution = dbi_.contribution_at(place);
    if (!contribution) return std::nullopt;
    const bool in_code = dbi_.addresses().is_code(place.segment);
    const std::vector<Entry>& list = entries(contribution->compiland);
    auto position = std::ranges::upper_bound(list, place, {}, &Entry::place);
    std::optional<PdbSymbol> best;
    while (position != list.begin()) {
        const Entry& entry = *--position;
        if (entry.place.segment != place.segment || (best && entry.place != best->place)) break;
        if (in_code && !entry.is_code) continue;
        best = read(contribution->compiland, entry.record);
        if (best && !in_code) break;
    }
    return best;
}

std::optional<Privates::ProcedureRecord> Privates::procedure_at(SegmentOffset place) {
    const Contribution* contribution = dbi_.contribution_at(place);
    if (!contribution) return std::nullopt;
    const std::vector<Entry>& list = entries(contribution->compiland);
    // Data in code sections may stand between, and functions that the linker folded share their place.
    for (auto entry = std::ranges::upper_bound(list, place, {}, &Entry::place); entry != list.begin();) {
        --entry;
        if (!entry->is_code || entry->place.segment != place.segment) continue;
        auto symbol = read(contribution->compiland, entry->record);
        if (!symbol || place.offset - symbol->place.offset >= symbol->size) return std::nullopt;
        return ProcedureRecord{contribution->compiland, entry->record, symbol->type};
    }
    return std::nullopt;
}

std::optional<PdbSymbol> Privates::next(SegmentOffset place) {
    auto all = dbi_.contributions();
    auto contribution = std::ranges::upper_bound(all, place, {}, &Contribution::place);
    if (contribution != all.begin()) --contribution;
    for (std::size_t steps = 0; contribution != all.end() && steps < max_contributions_ahead; ++contribution, ++steps) {
        const std::vector<Entry>& list = entries(contribution->compiland);
        // The symbols of this contribution only: those of the compiland's other contributions may lie further away.
        const SegmentOffset from = std::max(place, contribution->place);
        auto entry = place < contribution->place ? std::ranges::lower_bound(list, from, {}, &Entry::place)
                                                 : std::ranges::upper_bound(list, from, {}, &Entry::place);
        for (; entry != list.end(); ++entry) {
            if (entry->place.segment != contribution->place.segment ||
                entry->place.offset - contribution->place.offset >= contribution->size)
                break;
            if (dbi_.addresses().rva(entry->place)) return read(contribution->compiland, entry->record);
        }
    }
    return std::nullopt;
}

} // namespace poolkd::symbols
