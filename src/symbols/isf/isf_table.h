#pragma once

#include "base/error.h"
#include "pe/pdb_identity.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

/// A symbol as the table has it.
struct IsfSymbol {
    std::string_view name; ///< as the linker wrote it, where the table kept that
    std::uint32_t rva = 0;
};

/// A structure, union or enumeration of a table: what is needed of all, and the text of what is needed of few.
struct IsfType {
    std::string_view name;
    std::uint64_t size = 0; ///< bytes
    bool is_union = false;
    std::string_view base;    ///< of an enumeration: its underlying type
    std::string_view members; ///< JSON of the fields, or of an enumeration's constants; empty when there is none
};

struct IsfBaseType {
    std::string_view name;
    std::string_view kind; ///< "int", "char", "bool", "float", "void"
    std::uint64_t size = 0;
    bool is_signed = false;
};

/// Volatility's symbol table, "intermediate symbol format" (ISF), made of the PDB of a Windows image: JSON with the
/// sections metadata, base_types, user_types, enums and symbols. Source: its JSON schema 6.2.0 in volatility3, and the
/// tables of Windows-Symbol-Tables. It is read once, into tables of views; the members of types stay text until they
/// are asked for.
class IsfTable {
  public:
    /// `name` is for messages. Error `malformed` tells what and where.
    static Result<IsfTable> parse(std::string text, const std::string& name);

    [[nodiscard]] const std::optional<pe::PdbReference>& pdb() const { return pdb_; } ///< that it was made of
    [[nodiscard]] std::uint16_t machine() const { return machine_; } ///< IMAGE_FILE_MACHINE_*; 0: not stated
    [[nodiscard]] unsigned pointer_size() const { return pointer_size_; }
    [[nodiscard]] const std::vector<IsfSymbol>& symbols() const { return symbols_; } ///< in the order of the table
    /// By name, exactly.
    [[nodiscard]] const IsfType* find_type(std::string_view name) const;
    [[nodiscard]] const IsfType* find_enumeration(std::string_view name) const;
    [[nodiscard]] const IsfBaseType* find_base(std::string_view name) const;
    /// Structures, unions and enumerations, each sort by name.
    [[nodiscard]] const std::vector<IsfType>& types() const { return types_; }
    [[nodiscard]] const std::vector<IsfType>& enumerations() const { return enumerations_; }

  private:
    struct Reader;

    // On the heap, so that the views hold when the table moves.
    std::unique_ptr<const std::string> text_;
    std::deque<std::string> strings_;
    std::optional<pe::PdbReference> pdb_;
    std::uint16_t machine_ = 0;
    unsigned pointer_size_ = 8;
    std::vector<IsfBaseType> bases_;
    std::vector<IsfType> types_;
    std::vector<IsfType> enumerations_;
    std::vector<IsfSymbol> symbols_;
};

} // namespace poolkd::symbols
