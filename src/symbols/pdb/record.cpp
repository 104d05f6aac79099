#include "symbols/pdb/record.h"

#include "symbols/pdb/record_numbers.h"

namespace poolkd::symbols {

std::string_view text_at(Bytes bytes, std::size_t offset) {
    if (offset >= bytes.size()) return {};
    Bytes rest = bytes.subspan(offset);
    std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
    return text.substr(0, text.find('\0'));
}

std::optional<SymbolRecord> parse_symbol(Bytes record) {
    SymbolRecord symbol;
    std::size_t name = 0; // where the name starts: everything before it must be there
    auto u16 = [&](std::size_t offset) { return load_or<std::uint16_t>(record, offset); };
    auto u32 = [&](std::size_t offset) { return load_or<std::uint32_t>(record, offset); };
    const std::uint16_t kind = u16(2);
    switch (kind) {
    case s_pub32:
        symbol.kind = RecordKind::public_symbol;
        symbol.is_function = (u32(4) & 3) != 0; // "code" or "function"
        symbol.offset = u32(8);
        symbol.segment = u16(12);
        name = 14;
        break;
    case s_gdata32:
    case s_ldata32:
        symbol.kind = RecordKind::data;
        symbol.type = u32(4);
        symbol.offset = u32(8);
        symbol.segment = u16(12);
        symbol.is_local = kind == s_ldata32;
        name = 14;
        break;
    case s_gproc32:
    case s_gproc32_id:
    case s_lproc32:
    case s_lproc32_id:
    case s_lproc32_dpc:
    case s_lproc32_dpc_id:
        symbol.kind = RecordKind::procedure;
        symbol.size = u32(16);
        symbol.type = u32(28);
        symbol.offset = u32(32);
        symbol.segment = u16(36);
        symbol.is_function = true;
        symbol.is_local = kind != s_gproc32 && kind != s_gproc32_id;
        name = 39;
        break;
    case s_thunk32:
        symbol.kind = RecordKind::thunk;
        symbol.offset = u32(16);
        symbol.segment = u16(20);
        symbol.size = u16(22);
        symbol.is_function = true;
        name = 25;
        break;
    case s_procref:
    case s_lprocref:
    case s_dataref:
        symbol.kind = RecordKind::reference;
        symbol.record_offset = u32(8);
        symbol.module = u16(12);
        symbol.is_function = kind != s_dataref;
        symbol.is_local = kind == s_lprocref;
        name = 14;
        break;
    case s_udt:
        symbol.kind = RecordKind::type_name;
        symbol.type = u32(4);
        name = 8;
        break;
    default: return std::nullopt;
    }
    if (name >= record.size()) return std::nullopt;
    symbol.name = text_at(record, name);
    return symbol;
}

} // namespace poolkd::symbols
