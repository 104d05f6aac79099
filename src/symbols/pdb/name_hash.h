#pragma once

#include "symbols/pdb/file.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace llvm::pdb {
class GSIHashTable;
}

namespace poolkd::symbols {

/// The hash table that a PDB keeps over names of global or public symbols, pointing into the symbol record stream.
/// The format's hash does not see the case of letters, so one look-up serves both kinds of search.
class NameHash {
  public:
    /// Of the public symbols, or nothing when the file has no usable table.
    static std::optional<NameHash> of_publics(const PdbFile& file);
    /// Of the global symbols: references to procedures, global and static data, typedefs, constants.
    static std::optional<NameHash> of_globals(const PdbFile& file);
    /// The public symbols' record offsets in the order of their addresses; empty when there is no such table.
    static std::vector<std::uint32_t> public_address_order(const PdbFile& file);

    /// Calls `visit` with the offset of each record whose name may be `name`.
    void candidates(std::string_view name, const std::function<void(std::uint32_t)>& visit) const;
    [[nodiscard]] std::size_t size() const;
    /// Offset of the i-th record, in the order of the table.
    [[nodiscard]] std::uint32_t record(std::size_t index) const;

  private:
    explicit NameHash(const llvm::pdb::GSIHashTable& table) : table_(&table) {}
    const llvm::pdb::GSIHashTable* table_;
};

} // namespace poolkd::symbols
