#pragma once

#include "base/error.h"
#include "symbols/isf/isf_table.h"
#include "symbols/type.h"

#include <map>
#include <string>
#include <string_view>

namespace poolkd::symbols {

/// Types of a symbol table, in the names of kd, made when they are asked for. Whatever the table says, this ends: types
/// know of structures only their names, and those inside each other are bounded.
class IsfTypes {
  public:
    explicit IsfTypes(const IsfTable& table) : table_(table) {}

    /// A structure, union, enumeration or basic type by its name; an exact match first, then without regard to case.
    /// Errors: `not_found`; `malformed` for an enumeration that makes no sense.
    Result<TypePtr> named(std::string_view name);
    /// Members of a structure or union, those of nameless members among them, by their places. Errors: `not_found`;
    /// `usage` for a name of another sort of type; `malformed`.
    Result<StructLayout> layout(std::string_view name);
    [[nodiscard]] TypePtr pointer_to(TypePtr target) const;

  private:
    struct Reader;

    const IsfTable& table_;
    std::map<std::string, TypePtr, std::less<>> enumerations_; ///< already made
};

} // namespace poolkd::symbols
