#pragma once

#include "symbols/pdb/publics.h"

#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// The private symbols: what the compilers knew. By name through the table of globals, by address through the
/// compiland that contributed the bytes; a compiland's symbols are listed when first needed.
class Privates {
  public:
    Privates(const PdbFile& file, Dbi& dbi);

    std::vector<PdbSymbol> find(std::string_view name);
    std::optional<PdbSymbol> nearest(SegmentOffset place);
    std::optional<PdbSymbol> next(SegmentOffset place);
    /// Where the record of the procedure that holds `place` lies.
    struct ProcedureRecord {
        std::uint16_t compiland;
        std::uint32_t offset; ///< in the compiland's stream
        std::uint32_t type;   ///< type index
    };
    std::optional<ProcedureRecord> procedure_at(SegmentOffset place);
    /// All whose stored names `wanted` accepts, in no order.
    void match(const std::function<bool(std::string_view)>& wanted, std::vector<PdbSymbol>& found);
    /// The type index of a typedef; 0 when there is none. Exact case first.
    std::uint32_t find_typedef(std::string_view name);

  private:
    struct Entry {
        SegmentOffset place;
        std::uint32_t record = 0; ///< offset in the compiland's stream
        bool is_code = false;
    };
    /// A compiland's procedures, thunks and data, by place.
    const std::vector<Entry>& entries(std::uint16_t compiland);
    std::optional<PdbSymbol> resolve(const SymbolRecord& global);
    std::optional<PdbSymbol> read(std::uint16_t compiland, std::uint32_t record);
    void load();

    const PdbFile& file_;
    Dbi& dbi_;
    PdbStream records_;
    bool loaded_ = false;
    std::optional<NameHash> hash_;
    std::map<std::uint16_t, std::vector<Entry>> entries_;
};

} // namespace poolkd::symbols
