#pragma once

#include "symbols/pdb/type_table.h"
#include "symbols/type.h"

#include <cstdint>
#include <unordered_map>

namespace poolkd::symbols {

/// Makes Type and StructLayout from the records of a TypeTable. LLVM takes the records apart.
class TypeBuilder {
  public:
    explicit TypeBuilder(TypeTable& table) : table_(table) {}

    /// Never fails: what cannot be read is a type of kind `none` whose name says so.
    TypePtr type(std::uint32_t index) { return type(index, 0); }
    /// The members of a structure or union; typedefs' modifiers and declarations are followed. Errors: `not_found`
    /// for one that is only declared, `usage` for another type, `malformed`.
    Result<StructLayout> layout(std::uint32_t index);

    static constexpr unsigned max_depth = 32; ///< of pointers, arrays, nested anonymous members
    static constexpr std::size_t max_fields = 65536;
    static constexpr std::size_t max_field_lists = 1024; ///< pieces that one long list is cut into

  private:
    TypePtr type(std::uint32_t index, unsigned depth);
    Type build(std::uint32_t index, unsigned depth);
    Type build_tagged(std::uint32_t index, Bytes record);
    void read_enumerators(std::uint32_t field_list, Type& enumeration);
    Result<void> add_fields(std::uint32_t index, std::uint32_t base_offset, unsigned depth, StructLayout& layout);
    /// Past const and volatile, and from a declaration to its definition.
    std::uint32_t strip(std::uint32_t index);

    TypeTable& table_;
    std::unordered_map<std::uint32_t, TypePtr> known_;
};

} // namespace poolkd::symbols
