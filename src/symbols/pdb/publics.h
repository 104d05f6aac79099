#pragma once

#include "symbols/pdb/dbi.h"
#include "symbols/pdb/name_hash.h"
#include "symbols/pdb/record.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// A symbol of a PDB, public or private.
struct PdbSymbol {
    SegmentOffset place;
    std::string name;       ///< as kd shows it
    std::uint32_t size = 0; ///< bytes of code
    std::uint32_t type = 0; ///< type index; 0 for public symbols
    bool is_code = false;
    bool is_private = false;
    std::optional<std::uint16_t> argument_bytes{}; ///< see Symbol
};

/// The public symbols: what the linker knew. Names through the file's hash table, addresses by binary search in its
/// address table; both are built by scanning the records where the file has none.
class Publics {
  public:
    Publics(const PdbFile& file, const Dbi& dbi);

    /// All that kd would call `name`, whatever the case. An index of C++ names is built when a name is not found
    /// otherwise.
    std::vector<PdbSymbol> find(std::string_view name);
    /// The symbol at or nearest below, in the same section.
    std::optional<PdbSymbol> nearest(SegmentOffset place);
    /// The first symbol above `place`, in the same or a later section.
    std::optional<PdbSymbol> next(SegmentOffset place);
    /// All, by address. Names come as they are stored; see `make`.
    void for_each(const std::function<void(const SymbolRecord&)>& visit);
    [[nodiscard]] PdbSymbol make(const SymbolRecord& record) const;

  private:
    void load();
    void scan();
    [[nodiscard]] std::optional<SymbolRecord> at(std::uint32_t offset);
    [[nodiscard]] bool is_code(const SymbolRecord& record) const;
    void find_stored(std::string_view stored_name, std::vector<std::uint32_t>& offsets);
    void find_mangled(std::string_view name, std::vector<std::uint32_t>& offsets);

    const PdbFile& file_;
    const Dbi& dbi_;
    PdbStream records_;
    bool loaded_ = false;
    std::optional<NameHash> hash_;
    std::vector<std::uint32_t> by_address_; ///< record offsets
    struct Hashed {
        std::uint32_t hash;
        std::uint32_t offset;
    };
    std::vector<Hashed> scanned_;                ///< stored names, when the file has no hash table
    std::optional<std::vector<Hashed>> mangled_; ///< C++ names as kd shows them
    ByteVector scratch_;
};

} // namespace poolkd::symbols
