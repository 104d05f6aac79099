#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::symbols {

enum class RecordKind : std::uint8_t { public_symbol, data, procedure, reference, type_name, thunk };

/// The CodeView symbol records that name something with an address, and typedefs. Only the members that the kind
/// has are set. Layouts: CodeView's cvinfo.h as documented with LLVM's PDB file format pages.
struct SymbolRecord {
    RecordKind kind = RecordKind::public_symbol;
    std::string_view name;           ///< inside the record's bytes
    std::uint16_t segment = 0;       ///< section number from 1
    std::uint32_t offset = 0;        ///< inside the section
    std::uint32_t size = 0;          ///< bytes of code, of procedures and thunks
    std::uint32_t type = 0;          ///< type index, of data, procedures and typedefs
    bool is_function = false;        ///< a public symbol that the linker marked as code
    bool is_local = false;           ///< visible in its compiland only
    std::uint16_t module = 0;        ///< of a reference: compiland, counted from 1
    std::uint32_t record_offset = 0; ///< of a reference: where its record lies in the compiland's stream
};

/// `record` begins with its length. Nothing for other kinds and for records that are too short.
std::optional<SymbolRecord> parse_symbol(Bytes record);

/// Little-endian text up to a NUL or the end, from `offset`.
std::string_view text_at(Bytes bytes, std::size_t offset);

} // namespace poolkd::symbols
