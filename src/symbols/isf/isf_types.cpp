#include "symbols/isf/isf_types.h"

#include "base/text.h"
#include "symbols/isf/json_scanner.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <tuple>

namespace poolkd::symbols {

namespace {

using Json = nlohmann::json;

constexpr std::size_t max_isf_fields = 50'000;
constexpr unsigned max_nameless = 1000; // members whose own members are taken in
constexpr std::size_t max_member_text = 4u << 20;
constexpr std::size_t max_layout_text = 4 * max_member_text; // parsed for one layout, much of it at the same time
constexpr std::uint64_t max_type_bytes = 1ull << 40;

std::unexpected<Error> damaged_type(std::string_view name, std::string_view what) {
    return fail(ErrorKind::malformed, "The symbol table's {} is damaged: {}", name, what);
}

std::optional<std::uint64_t> unsigned_member(const Json& json, const char* name) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

std::string text_member(const Json& json, const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_set(const Json& json, const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_boolean() && found->get<bool>();
}

TypePtr share(Type type) {
    return std::make_shared<const Type>(std::move(type));
}

/// kd's name of a number: "Uint4B", "UChar".
std::string number_name(const Type& type) {
    switch (type.kind) {
    case TypeKind::character: return type.size == 2 ? "Wchar" : type.is_signed ? "Char" : "UChar";
    case TypeKind::boolean: return "Bool";
    case TypeKind::floating: return type.size == 4 ? "Float" : type.size == 8 ? "Double" : "Float10";
    default: return fmt::format("{}{}B", type.is_signed ? "Int" : "Uint", type.size);
    }
}

Type basic_type(const IsfBaseType& base) {
    Type type;
    type.size = base.size;
    type.is_signed = base.is_signed;
    if (base.kind == "void" || base.size == 0) {
        type.name = base.kind == "void" ? "Void" : std::string(base.name);
        type.is_signed = false;
        return type;
    }
    const bool is_wide = base.size == 2 && (base.name == "wchar" || base.name == "wchar_t");
    type.kind = base.kind == "bool"                                                    ? TypeKind::boolean
                : base.kind == "float"                                                 ? TypeKind::floating
                : base.size == 1 || is_wide || (base.kind == "char" && base.size <= 2) ? TypeKind::character
                                                                                       : TypeKind::integer;
    if (is_wide) type.is_signed = false; // as with PDBs, whatever the table says
    type.name = base.name == "HRESULT" ? "HRESULT" : number_name(type);
    if (type.name == "HRESULT") type.is_signed = true;
    return type;
}

/// Members in the order in which they lie; tables keep them by name.
auto place_of(const Field& field) {
    return std::tuple(field.offset, field.bit_position);
}

/// Not an object when the text makes no sense.
Json parse_members(const IsfType& type) {
    return type.members.size() > max_member_text ? Json() : Json::parse(type.members, nullptr, false);
}

template <class Entry>
const Entry* find_ignoring_case(const std::vector<Entry>& entries, std::string_view name) {
    const auto found = std::ranges::find_if(entries, [&](const Entry& e) { return equals_ignore_case(e.name, name); });
    return found == entries.end() ? nullptr : &*found;
}

} // namespace

struct IsfTypes::Reader {
    IsfTypes& types;
    const IsfTable& table;
    unsigned nameless = 0; ///< taken in for one layout: structures may hold each other
    std::size_t text = 0;  ///< parsed for it; while members are taken in, what holds them is kept

    /// A type that a member refers to. Always gives one: what is not understood has kind `none`. The text was stepped
    /// over before, which bounds how deep it goes.
    TypePtr type(const Json& json) {
        Type made;
        made.name = "<unknown type>";
        if (!json.is_object()) return share(std::move(made));
        const std::string kind = text_member(json, "kind");
        const std::string name = text_member(json, "name");
        if (kind == "base") {
            if (const IsfBaseType* base = table.find_base(name)) return share(basic_type(*base));
        } else if (kind == "pointer") {
            const auto target = json.find("subtype");
            return types.pointer_to(target == json.end() ? share(std::move(made)) : type(*target));
        } else if (kind == "array") {
            return array(json);
        } else if (kind == "struct" || kind == "union" || kind == "class") {
            const IsfType* known = table.find_type(name);
            made.kind = kind == "union" || (known && known->is_union) ? TypeKind::union_ : TypeKind::structure;
            made.name = name;
            made.size = known ? known->size : 0;
        } else if (kind == "enum") {
            if (const IsfType* known = table.find_enumeration(name)) return enumeration(*known);
            made.kind = TypeKind::enumeration;
            made.name = name;
        } else if (kind == "function") {
            made.kind = TypeKind::function;
            made.name = "<function>"; // tables do not tell more
        }
        return share(std::move(made));
    }

    TypePtr array(const Json& json) {
        Type made;
        made.kind = TypeKind::array;
        const auto element = json.find("subtype");
        made.element = element == json.end() ? type(Json()) : type(*element);
        made.count = unsigned_member(json, "count").value_or(0);
        if (made.element->size != 0 && made.count <= max_type_bytes / made.element->size)
            made.size = made.count * made.element->size;
        made.name = fmt::format("[{}] {}", made.count, made.element->name);
        return share(std::move(made));
    }

    TypePtr enumeration(const IsfType& known) {
        if (auto found = types.enumerations_.find(known.name); found != types.enumerations_.end()) return found->second;
        Type made;
        made.kind = TypeKind::enumeration;
        made.name = known.name;
        made.size = known.size;
        if (const IsfBaseType* base = table.find_base(known.base)) {
            made.element = share(basic_type(*base));
            made.is_signed = made.element->is_signed;
            if (made.size == 0) made.size = made.element->size;
        }
        // What is damaged in it has no name for its values.
        const Json constants = parse_members(known);
        if (constants.is_object())
            for (const auto& [name, value] : constants.items()) {
                if (value.is_number_unsigned())
                    made.enumerators.push_back({name, value.get<std::uint64_t>()});
                else if (value.is_number_integer())
                    made.enumerators.push_back({name, static_cast<std::uint64_t>(value.get<std::int64_t>())});
            }
        std::ranges::stable_sort(made.enumerators, {}, [&](const Enumerator& e) {
            return made.is_signed ? e.value ^ (1ull << 63) : e.value; // negative ones first
        });
        return types.enumerations_.emplace(std::string(known.name), share(std::move(made))).first->second;
    }

    /// Adds the members of a structure that lies `base` bytes into the one asked for.
    Result<void> add_fields(const IsfType& structure, std::uint64_t base, StructLayout& layout) {
        if (structure.members.empty()) return {};
        text += structure.members.size();
        if (text > max_layout_text) return damaged_type(layout.name, "it nests without end");
        const Json fields = parse_members(structure);
        if (!fields.is_object()) return damaged_type(structure.name, "its members make no sense");
        for (const auto& [name, member] : fields.items()) {
            if (layout.fields.size() == max_isf_fields) return damaged_type(layout.name, "it has too many members");
            const auto offset = member.is_object() ? unsigned_member(member, "offset") : std::nullopt;
            const auto described = offset ? member.find("type") : member.end();
            if (!offset || described == member.end())
                return damaged_type(structure.name, fmt::format("its member {} has no offset or no type", name));
            if (*offset > std::numeric_limits<std::uint32_t>::max() - base)
                return damaged_type(structure.name, fmt::format("its member {} lies too far inside", name));
            if (is_set(member, "anonymous"))
                if (const IsfType* inner = table.find_type(text_member(*described, "name"))) {
                    if (++nameless > max_nameless) return damaged_type(layout.name, "it nests without end");
                    POOLKD_CHECK(add_fields(*inner, base + *offset, layout));
                    continue;
                }
            POOLKD_TRY(Field field, this->field(name, *described, structure));
            field.offset = static_cast<std::uint32_t>(base + *offset);
            layout.fields.push_back(std::move(field));
        }
        return {};
    }

    Result<Field> field(const std::string& name, const Json& described, const IsfType& structure) {
        Field field{name, 0, 0, 0, nullptr};
        if (!described.is_object() || text_member(described, "kind") != "bitfield") {
            field.type = type(described);
            return field;
        }
        const auto position = unsigned_member(described, "bit_position");
        const auto count = unsigned_member(described, "bit_length");
        const auto unit = described.find("type");
        if (!position || !count || *count == 0 || *count > 64 || *position > 64 - *count || unit == described.end())
            return damaged_type(structure.name, fmt::format("its bit-field {} makes no sense", name));
        field.bit_position = static_cast<std::uint8_t>(*position);
        field.bit_count = static_cast<std::uint8_t>(*count);
        field.type = type(*unit);
        return field;
    }
};

TypePtr IsfTypes::pointer_to(TypePtr target) const {
    Type made;
    made.kind = TypeKind::pointer;
    made.size = table_.pointer_size();
    made.name = fmt::format("Ptr{} {}", made.size * 8, target->name);
    made.element = std::move(target);
    return share(std::move(made));
}

Result<TypePtr> IsfTypes::named(std::string_view name) {
    Reader reader{*this, table_};
    const auto structure = [](const IsfType& known) {
        Type made;
        made.kind = known.is_union ? TypeKind::union_ : TypeKind::structure;
        made.name = known.name;
        made.size = known.size;
        return share(std::move(made));
    };
    if (const IsfType* known = table_.find_type(name)) return structure(*known);
    if (const IsfType* known = table_.find_enumeration(name)) return reader.enumeration(*known);
    if (const IsfBaseType* known = table_.find_base(name)) return share(basic_type(*known));
    if (const IsfType* known = find_ignoring_case(table_.types(), name)) return structure(*known);
    if (const IsfType* known = find_ignoring_case(table_.enumerations(), name)) return reader.enumeration(*known);
    return fail(ErrorKind::not_found, "The symbol table has no type {}", name);
}

Result<StructLayout> IsfTypes::layout(std::string_view name) {
    const IsfType* known = table_.find_type(name);
    if (!known && table_.find_enumeration(name)) return fail(ErrorKind::usage, "{} is no structure or union", name);
    if (!known) known = find_ignoring_case(table_.types(), name);
    if (!known) return fail(ErrorKind::not_found, "The symbol table has no type {}", name);
    StructLayout layout{std::string(known->name), known->size, known->is_union, {}};
    POOLKD_CHECK((Reader{*this, table_}.add_fields(*known, 0, layout)));
    std::ranges::stable_sort(layout.fields, {}, place_of);
    return layout;
}

} // namespace poolkd::symbols
