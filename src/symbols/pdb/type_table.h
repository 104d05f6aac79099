#pragma once

#include "base/error.h"
#include "symbols/pdb/file.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// A structure, union or enumeration record, as far as finding it needs.
struct TaggedType {
    std::string_view name;
    std::string_view unique_name; ///< decorated; empty in C
    bool is_forward = false;      ///< only declared here
};

/// The records of a PDB's type stream by number, and their names. Everything is built in one pass over the stream
/// when first needed; the hash stream that some linkers write is not used, so files without one work alike.
class TypeTable {
  public:
    /// Reads the header only. Errors: `unsupported` when the file has no types, `malformed`.
    static Result<TypeTable> load(const PdbFile& file);

    /// Numbers below this are the simple types.
    static constexpr std::uint32_t first_record = 0x1000;

    /// The record's bytes from its length on; empty for a number that is not there. Good until the next call.
    Bytes record(std::uint32_t index);
    /// Numbers of the full definitions of that name; exact case before others.
    std::vector<std::uint32_t> find(std::string_view name);
    /// The full definition for a declaration, or the same number when there is none.
    std::uint32_t definition(std::uint32_t index);
    /// Names of full definitions that a pattern matches, each once, sorted.
    std::vector<std::string> match(std::string_view pattern, std::size_t limit);

    /// Nothing unless the record is a structure, class, union or enumeration.
    static std::optional<TaggedType> parse_tagged(Bytes record);

  private:
    void build();

    struct Named {
        std::uint32_t hash;
        std::uint32_t index;
    };
    PdbStream stream_;
    std::uint32_t records_offset_ = 0;
    std::uint32_t records_end_ = 0;
    std::uint32_t count_ = 0; ///< stated number of records
    bool built_ = false;
    std::vector<std::uint32_t> offsets_; ///< of each record in the stream
    std::vector<Named> names_;           ///< full definitions by hash
    ByteVector scratch_;
};

} // namespace poolkd::symbols
