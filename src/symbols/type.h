#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::symbols {

struct Type;
using TypePtr = std::shared_ptr<const Type>;

/// A member of a structure or union. Anonymous unions and structures are flattened into their parent.
struct Field {
    std::string name;
    std::uint32_t offset = 0;      ///< bytes from the start of the structure
    std::uint8_t bit_position = 0; ///< of the lowest bit inside the storage unit at `offset`
    std::uint8_t bit_count = 0;    ///< 0: no bit-field
    TypePtr type;                  ///< of a bit-field: the type of its storage unit
};

struct Enumerator {
    std::string name;
    std::uint64_t value = 0;
};

enum class TypeKind {
    none,
    integer,
    floating,
    boolean,
    character,
    pointer,
    array,
    structure,
    union_,
    enumeration,
    function
};

struct Type {
    TypeKind kind = TypeKind::none;
    std::string name;       ///< as kd prints it: "Uint4B", "Ptr64 _KTHREAD", "[8] UChar", "_POOL_HEADER"
    std::uint64_t size = 0; ///< bytes; 0 when not known (an opaque structure)
    bool is_signed = false;
    TypePtr element;         ///< of a pointer, an array, or the underlying type of an enumeration
    std::uint64_t count = 0; ///< elements of an array
    std::vector<Enumerator> enumerators;
    std::uint32_t id = 0; ///< its number in the symbols it came from (see ModuleSymbols::layout_of); 0: none
};

/// A structure or union with its members in the order of the symbols. Found by `ModuleSymbols::layout`.
struct StructLayout {
    std::string name;
    std::uint64_t size = 0; ///< bytes
    bool is_union = false;
    std::vector<Field> fields;

    /// Exact name first, then without regard to case; null when there is none.
    [[nodiscard]] const Field* find(std::string_view field) const;
};

} // namespace poolkd::symbols
