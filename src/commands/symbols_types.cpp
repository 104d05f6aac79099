#include "commands/symbols.h"
#include "debugger/session.h"
#include "render/coverage.h"

#include <charconv>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::uint64_t max_structure = 1u << 20; // bytes read for one structure
constexpr std::size_t max_array_rows = 256, name_list_limit = 500;

struct Request {
    nt::Module* module = nullptr;
    std::string type;
    std::vector<std::string> fields;
    std::optional<VirtAddr> address;
    unsigned depth = 0; ///< of -r
    bool json = false;
};

bool is_record(const symbols::Type& type) {
    return type.kind == symbols::TypeKind::structure || type.kind == symbols::TypeKind::union_;
}

std::string binary(std::uint64_t value, unsigned bits) {
    std::string text;
    for (unsigned i = bits; i-- > 0;)
        text += (value >> i) & 1 ? '1' : '0';
    return text;
}

std::string character_text(std::uint64_t value) {
    const auto c = static_cast<char>(value & 0xff);
    return fmt::format("{:#x} '{}'", value & 0xff, c >= 0x20 && c < 0x7f ? std::string(1, c) : std::string());
}

/// The value of a member as kd writes it (commands.md 5.4).
std::string value_text(Session& session, const symbols::Field& field, Bytes record) {
    if (!field.type) return "??";
    const symbols::Type& type = *field.type;
    if (is_record(type)) {
        if (type.name == "_LIST_ENTRY") {
            const unsigned pointer = session.pointer_size();
            return fmt::format("_LIST_ENTRY [ {:#x} - {:#x} ]",
                               load_unsigned(record, field.offset, pointer).value_or(0),
                               load_unsigned(record, field.offset + pointer, pointer).value_or(0));
        }
        return type.name;
    }
    if (type.kind == symbols::TypeKind::array) {
        if (type.element && type.element->kind == symbols::TypeKind::character && field.offset < record.size()) {
            std::string text;
            for (std::size_t i = 0; i < type.count && field.offset + i < record.size() && text.size() < 64; ++i) {
                const char c = static_cast<char>(std::to_integer<unsigned char>(record[field.offset + i]));
                if (c == 0) break;
                text += c >= 0x20 && c < 0x7f ? c : '.';
            }
            return fmt::format("[{}]  \"{}\"", type.count, text);
        }
        return type.name;
    }
    auto unit = load_unsigned(record, field.offset, type.size);
    if (!unit) return type.size > 8 ? type.name : "??";
    if (field.bit_count) {
        const std::uint64_t value =
            (*unit >> field.bit_position) & (field.bit_count >= 64 ? ~0ull : (1ull << field.bit_count) - 1);
        return fmt::format("0y{} ({:#x})", binary(value, field.bit_count), value);
    }
    if (type.kind == symbols::TypeKind::pointer) {
        if (*unit == 0) return "(null)";
        const std::string text = "0x" + format_address(*unit, session.pointer_size());
        return type.element && !type.element->name.empty() ? text + " " + type.element->name : text;
    }
    if (type.kind == symbols::TypeKind::enumeration) {
        for (const symbols::Enumerator& e : type.enumerators)
            if (e.value == *unit) return fmt::format("{} ( {} )", *unit, e.name);
        return fmt::format("{} (No matching name)", *unit);
    }
    if (type.kind == symbols::TypeKind::character && type.size == 1) return character_text(*unit);
    if (type.is_signed) {
        const unsigned shift = 64 - 8 * static_cast<unsigned>(type.size);
        return fmt::format("0n{}", static_cast<std::int64_t>(*unit << shift) >> shift);
    }
    return fmt::format("{:#x}", *unit);
}

std::string type_text(const symbols::Field& field) {
    if (field.bit_count)
        return fmt::format("Pos {}, {} Bit{}", field.bit_position, field.bit_count, field.bit_count == 1 ? "" : "s");
    return field.type ? field.type->name : "??";
}

bool wanted(const symbols::Field& field, const std::vector<std::string>& patterns) {
    if (patterns.empty()) return true;
    for (const std::string& pattern : patterns)
        if (wildcard_match(pattern, field.name)) return true;
    return false;
}

/// Prints the members of `layout`, those of embedded structures below them down to `depth`.
void print_members(Session& session, const Request& request, const symbols::StructLayout& layout, Bytes record,
                   unsigned depth, unsigned indent, const std::vector<std::string>& patterns) {
    for (const symbols::Field& field : layout.fields) {
        if (session.work().stop_requested()) return;
        if (!wanted(field, patterns)) continue;
        const std::string value = request.address ? value_text(session, field, record) : type_text(field);
        session.print("{}+0x{:03x} {:<16} : {}\n", std::string(indent, ' '), field.offset, field.name, value);
        if (depth == 0 || !field.type || !is_record(*field.type)) continue;
        auto inner = request.module->symbols->layout_of(*field.type);
        if (!inner) continue;
        Bytes part = field.offset <= record.size() ? record.subspan(field.offset) : Bytes{};
        print_members(session, request, *inner, part, depth - 1, indent + 3, {});
    }
}

nlohmann::json members_json(Session& session, const Request& request, const symbols::StructLayout& layout,
                            Bytes record) {
    nlohmann::json members = nlohmann::json::array();
    for (const symbols::Field& field : layout.fields) {
        if (!wanted(field, request.fields)) continue;
        nlohmann::json member{
            {"name", field.name}, {"offset", field.offset}, {"type", field.type ? field.type->name : ""}};
        if (field.bit_count) {
            member["bit"] = field.bit_position;
            member["bits"] = field.bit_count;
        }
        if (request.address) member["value"] = value_text(session, field, record);
        members.push_back(std::move(member));
    }
    return members;
}

Result<void> show_structure(Session& session, const Request& request, const symbols::StructLayout& layout) {
    ByteVector record;
    if (request.address) {
        if (layout.size > max_structure)
            return fail(ErrorKind::malformed, "{} has {} bytes, which is not credible", layout.name, layout.size);
        POOLKD_TRY(record, memory::read_exact(session.memory(), *request.address, layout.size, &session.work()));
    }
    if (request.json) {
        session.write_json(nlohmann::json{
            {"type", layout.name}, {"size", layout.size}, {"members", members_json(session, request, layout, record)}});
        return {};
    }
    // Without an address kd names the type first.
    if (!request.address) session.print("{}!{}\n", request.module->name, layout.name);
    print_members(session, request, layout, record, request.depth, 3, request.fields);
    return {};
}

/// A type that is no structure: an enumeration, a typedef of a number.
Result<void> show_plain(Session& session, const Request& request, const symbols::Type& type) {
    if (type.kind == symbols::TypeKind::enumeration) {
        session.print("Enum {}, {} total enums\n", type.name, type.enumerators.size());
        for (const symbols::Enumerator& e : type.enumerators)
            session.print("   {} = 0n{}\n", e.name, static_cast<std::int64_t>(e.value));
        return {};
    }
    if (!request.address) {
        session.print("{}\n", type.name);
        return {};
    }
    symbols::Field field{"", 0, 0, 0, std::make_shared<symbols::Type>(type)};
    const std::uint64_t size = std::min<std::uint64_t>(type.size, max_structure);
    POOLKD_TRY(ByteVector bytes, memory::read_exact(session.memory(), *request.address, size, &session.work()));
    session.print("{}\n", value_text(session, field, bytes));
    if (type.kind == symbols::TypeKind::array && type.element && type.element->size) {
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(type.count, max_array_rows); ++i) {
            symbols::Field element{"", static_cast<std::uint32_t>(i * type.element->size), 0, 0, type.element};
            session.print(" [{:02}] {}\n", i, value_text(session, element, bytes));
        }
    }
    return {};
}

Result<void> list_types(Session& session, nt::Module& module, const std::string& pattern) {
    auto names = module.symbols->match_types(pattern, name_list_limit + 1);
    const bool cut = names.size() > name_list_limit;
    if (cut) names.resize(name_list_limit);
    for (const std::string& name : names)
        session.print("          {}!{}\n", module.name, name);
    if (cut) session.print("More than {} types match.\n", name_list_limit);
    if (names.empty()) return fail(ErrorKind::not_found, "Symbol {}!{} not found.", module.name, pattern);
    return {};
}

Result<Request> parse_request(Session& session, Arguments& arguments) {
    Request request;
    request.json = arguments.json;
    std::string name;
    while (!arguments.done()) {
        if (arguments.peek() == '-' || arguments.peek() == '/') {
            std::string_view option = arguments.word().substr(1);
            if (option.starts_with('r')) {
                request.depth = 1;
                if (option.size() == 2 && option[1] >= '1' && option[1] <= '9')
                    request.depth = static_cast<unsigned>(option[1] - '0');
            } else if (option == "b") {
                request.depth = 9;
            } else if (option != "v" && option != "t" && option != "a") {
                return fail(ErrorKind::usage, "dt does not know the option '-{}'", option);
            }
            continue;
        }
        if (name.empty()) {
            name = arguments.word();
            continue;
        }
        const std::size_t start = arguments.position();
        // What follows is an address when it evaluates, else a member's name.
        arguments.skip_blanks();
        std::string word(arguments.word());
        const bool digits =
            !word.empty() && (std::isdigit(static_cast<unsigned char>(word[0])) || word[0] == '@' || word[0] == '(' ||
                              word.find('!') != std::string::npos || word.find('`') != std::string::npos);
        arguments.set_position(start);
        if (!digits && !request.address) {
            (void)arguments.word();
            // A word of hexadecimal letters alone may be either; members win, as in kd.
            request.fields.push_back(word);
            continue;
        }
        POOLKD_TRY(request.address, session.address(arguments));
    }
    if (name.empty()) return fail(ErrorKind::usage, "Which type? dt [Module!]Type [Member ...] [Address]");
    nt::Modules& modules = session.kernel().modules();
    const std::size_t bang = name.find('!');
    request.module = bang == std::string::npos ? &modules.kernel() : modules.find(name.substr(0, bang));
    request.type = bang == std::string::npos ? name : name.substr(bang + 1);
    if (!request.module) return fail(ErrorKind::not_found, "'{}' is no loaded module", name.substr(0, bang));
    if (!modules.symbols(*request.module))
        return fail(ErrorKind::not_found, "There are no symbols for {}. {}", request.module->name,
                    request.module->symbol_note);
    return request;
}

Result<void> display_type(Session& session, Arguments& arguments) {
    POOLKD_TRY(Request request, parse_request(session, arguments));
    symbols::ModuleSymbols& source = *request.module->symbols;
    if (has_wildcard(request.type)) return list_types(session, *request.module, request.type);
    if (auto layout = source.layout(request.type)) return show_structure(session, request, *layout);
    if (auto type = source.type(request.type)) return show_plain(session, request, **type);
    // A variable: its declared type, at its address.
    if (auto symbol = source.find(request.type)) {
        auto type = source.type_of_symbol(request.type);
        if (!type || !*type)
            return fail(ErrorKind::not_found, "{}!{} is a variable of which the symbols tell no type",
                        request.module->name, symbol->name);
        request.address = request.module->base + symbol->rva;
        session.print("{} {}!{}\n", session.address_text(*request.address), request.module->name, symbol->name);
        if (is_record(**type))
            if (auto layout = source.layout_of(**type)) return show_structure(session, request, *layout);
        return show_plain(session, request, **type);
    }
    return fail(ErrorKind::not_found, "Symbol {}!{} not found.", request.module->name, request.type);
}

} // namespace

void add_type_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"dt"},
        .family = "Symbols",
        .summary = "a type's members, with their values where an address is given",
        .syntax = "dt [-r[1-9]] [-b] [Module!]Type [Member ...] [Address] [--json]",
        .help = "Also enumerations, and variables whose type the symbols tell. Members may hold wildcards; -r shows "
                "embedded "
                "structures too; a type with wildcards lists names. Without a module the kernel's types are meant.",
        .json = true,
        .run = display_type});
}

} // namespace poolkd::commands
