#include "symbols/pdb/simple_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace poolkd::symbols {

namespace {

struct Simple {
    std::uint32_t number;
    TypeKind kind;
    std::uint32_t size;
    bool is_signed;
    std::string_view name; ///< as kd prints it
};

// CodeView's numbers (cvinfo.h, as documented with LLVM's SimpleTypeKind); names as kd's dt prints them.
constexpr Simple simple_types[] = {
    {0x03, TypeKind::none, 0, false, "Void"},        {0x08, TypeKind::integer, 4, true, "HRESULT"},
    {0x10, TypeKind::character, 1, true, "Char"},    {0x20, TypeKind::character, 1, false, "UChar"},
    {0x70, TypeKind::character, 1, true, "Char"},    {0x71, TypeKind::character, 2, false, "Wchar"},
    {0x7a, TypeKind::character, 2, false, "Wchar"},  {0x7b, TypeKind::character, 4, false, "Uint4B"},
    {0x7c, TypeKind::character, 1, false, "UChar"},  {0x68, TypeKind::integer, 1, true, "Char"},
    {0x69, TypeKind::integer, 1, false, "UChar"},    {0x11, TypeKind::integer, 2, true, "Int2B"},
    {0x21, TypeKind::integer, 2, false, "Uint2B"},   {0x72, TypeKind::integer, 2, true, "Int2B"},
    {0x73, TypeKind::integer, 2, false, "Uint2B"},   {0x12, TypeKind::integer, 4, true, "Int4B"},
    {0x22, TypeKind::integer, 4, false, "Uint4B"},   {0x74, TypeKind::integer, 4, true, "Int4B"},
    {0x75, TypeKind::integer, 4, false, "Uint4B"},   {0x13, TypeKind::integer, 8, true, "Int8B"},
    {0x23, TypeKind::integer, 8, false, "Uint8B"},   {0x76, TypeKind::integer, 8, true, "Int8B"},
    {0x77, TypeKind::integer, 8, false, "Uint8B"},   {0x14, TypeKind::integer, 16, true, "Int16B"},
    {0x24, TypeKind::integer, 16, false, "Uint16B"}, {0x78, TypeKind::integer, 16, true, "Int16B"},
    {0x79, TypeKind::integer, 16, false, "Uint16B"}, {0x30, TypeKind::boolean, 1, false, "Bool"},
    {0x31, TypeKind::boolean, 2, false, "Bool"},     {0x32, TypeKind::boolean, 4, false, "Bool"},
    {0x33, TypeKind::boolean, 8, false, "Bool"},     {0x40, TypeKind::floating, 4, true, "Float"},
    {0x41, TypeKind::floating, 8, true, "Double"},   {0x42, TypeKind::floating, 10, true, "Float10"},
    {0x43, TypeKind::floating, 16, true, "Float16"}, {0x46, TypeKind::floating, 2, true, "Float2"},
};

constexpr std::uint32_t decltype_nullptr = 0x103;

/// Bytes of the pointer that the mode bits of a simple type ask for; 0: no pointer.
std::uint32_t pointer_bytes(std::uint32_t index) {
    switch ((index >> 8) & 7) {
    case 0: return 0;
    case 4: return 4;
    case 6: return 8;
    case 7: return 16;
    default: return 4; // near, far and huge of 16-bit times
    }
}

} // namespace

Type simple_type(std::uint32_t index) {
    Type type;
    type.id = index;
    if (index == decltype_nullptr) {
        type.kind = TypeKind::pointer;
        type.name = "Ptr64 Void";
        type.size = 8;
        return type;
    }
    const auto* found = std::ranges::find(simple_types, index & 0xff, &Simple::number);
    if (found == std::end(simple_types)) {
        type.name = index == 0 ? "<no type>" : fmt::format("<unknown type {:#x}>", index);
        return type;
    }
    type.kind = found->kind;
    type.size = found->size;
    type.is_signed = found->is_signed;
    type.name = found->name;
    const std::uint32_t bytes = pointer_bytes(index);
    if (bytes == 0) return type;
    Type pointer;
    pointer.id = index;
    pointer.kind = TypeKind::pointer;
    pointer.size = bytes;
    pointer.name = fmt::format("Ptr{} {}", bytes * 8, type.name);
    type.id = index & 0xff;
    pointer.element = std::make_shared<const Type>(std::move(type));
    return pointer;
}

std::string c_name(const Type& type) {
    switch (type.kind) {
    case TypeKind::pointer: return type.element ? c_name(*type.element) + "*" : "void*";
    case TypeKind::character:
        return type.size == 2 ? "wchar_t" : type.size == 4 ? "char32_t" : type.is_signed ? "char" : "unsigned char";
    case TypeKind::boolean: return "bool";
    case TypeKind::floating: return type.size == 4 ? "float" : "double";
    case TypeKind::integer: {
        if (type.name == "HRESULT") return "HRESULT";
        const std::string_view word = type.size == 1   ? "char"
                                      : type.size == 2 ? "short"
                                      : type.size == 4 ? "long"
                                                       : "int64";
        return fmt::format("{}{}", type.is_signed ? "" : "unsigned ", word);
    }
    case TypeKind::none: return type.name == "Void" ? "void" : type.name;
    default: return type.name;
    }
}

} // namespace poolkd::symbols
