#include "render/parameters.h"

#include "base/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <bit>

namespace poolkd::render {

namespace {

using State = code::Parameter::State;
using symbols::Type;
using symbols::TypeKind;

/// The type as C declares it, with kd's blank before a pointer's star.
std::string declared_type(const Type& type) {
    switch (type.kind) {
    case TypeKind::pointer: return (type.element ? declared_type(*type.element) : "void") + " *";
    case TypeKind::structure: return "struct " + type.name;
    case TypeKind::union_: return "union " + type.name;
    case TypeKind::enumeration: return "enum " + type.name;
    case TypeKind::array:
        return fmt::format("{} [{}]", type.element ? declared_type(*type.element) : "void", type.count);
    case TypeKind::character: return type.size != 1 ? "wchar_t" : type.is_signed ? "char" : "unsigned char";
    case TypeKind::boolean: return "bool";
    case TypeKind::floating: return type.size == 4 ? "float" : "double";
    case TypeKind::integer: {
        const std::string_view word = type.size == 1   ? "char"
                                      : type.size == 2 ? "short"
                                      : type.size == 4 ? "long"
                                                       : "int64";
        return fmt::format("{}{}", type.is_signed ? "" : "unsigned ", word);
    }
    case TypeKind::function: return "<function>";
    case TypeKind::none: break;
    }
    return type.name == "Void" ? "void" : type.name;
}

std::int64_t as_signed(std::uint64_t value, std::uint64_t size) {
    const unsigned unused = size >= 8 ? 0 : 64 - static_cast<unsigned>(size) * 8;
    return static_cast<std::int64_t>(value << unused) >> unused;
}

std::string number(std::uint64_t value, const Type& type) {
    return type.is_signed ? fmt::format("0n{}", as_signed(value, type.size)) : fmt::format("{:#x}", value);
}

std::string known_value(std::uint64_t value, const Type& type, unsigned pointer_size) {
    switch (type.kind) {
    case TypeKind::pointer: return "0x" + format_address(value, pointer_size);
    case TypeKind::boolean: return value != 0 ? "true" : "false";
    case TypeKind::character: {
        const bool printable = value >= 0x20 && value <= 0x7e;
        return number(value, type) + (printable ? fmt::format(" '{}'", static_cast<char>(value)) : "");
    }
    case TypeKind::floating:
        return type.size == 4 ? fmt::format("{}", std::bit_cast<float>(static_cast<std::uint32_t>(value)))
                              : fmt::format("{}", std::bit_cast<double>(value));
    case TypeKind::enumeration:
        for (const symbols::Enumerator& one : type.enumerators)
            if (one.value == value) return fmt::format("{} ({})", one.name, number(value, type));
        return number(value, type);
    default: return number(value, type);
    }
}

std::string value_text(const code::Parameter& parameter, unsigned pointer_size) {
    switch (parameter.state) {
    case State::known: return known_value(parameter.value, *parameter.type, pointer_size);
    case State::unreadable: return "<Memory access error>";
    case State::aggregate: return declared_type(*parameter.type);
    case State::unavailable: break;
    }
    return "<Value unavailable error>";
}

std::string_view state_word(State state) {
    switch (state) {
    case State::known: return "known";
    case State::unreadable: return "unreadable";
    case State::aggregate: return "aggregate";
    case State::unavailable: break;
    }
    return "unavailable";
}

} // namespace

std::string parameters_text(std::span<const code::Parameter> parameters, bool one_per_line, unsigned pointer_size) {
    if (parameters.empty()) return "(void)";
    std::string out;
    for (const code::Parameter& parameter : parameters) {
        out += out.empty() ? "(" : one_per_line ? "," : ", ";
        if (one_per_line) out += "\n\t\t\t";
        out += fmt::format("{}{}{} = {}", declared_type(*parameter.type), parameter.name.empty() ? "" : " ",
                           parameter.name, value_text(parameter, pointer_size));
    }
    return out + ")";
}

nlohmann::json parameters_json(std::span<const code::Parameter> parameters) {
    nlohmann::json all = nlohmann::json::array();
    for (const code::Parameter& parameter : parameters) {
        nlohmann::json one{{"name", parameter.name},
                           {"type", declared_type(*parameter.type)},
                           {"state", state_word(parameter.state)},
                           {"value", nullptr}};
        if (parameter.state == State::known) one["value"] = fmt::format("{:#x}", parameter.value);
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace poolkd::render
