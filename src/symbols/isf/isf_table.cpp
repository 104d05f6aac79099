#include "symbols/isf/isf_table.h"

#include "symbols/isf/json_scanner.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace poolkd::symbols {

namespace {

constexpr std::uint16_t isf_machine_x86 = 0x14c;
// Real tables have 45,000 symbols and 2000 types.
constexpr std::size_t max_symbols = 2'000'000;
constexpr std::size_t max_types = 200'000;
constexpr unsigned known_format = 6;

/// 32 hexadecimal digits in the order in which GUIDs are written.
std::optional<std::array<std::uint8_t, 16>> parse_guid(std::string_view text) {
    // The first three fields of a GUID are little-endian.
    constexpr std::array<std::size_t, 16> place{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    std::array<std::uint8_t, 16> guid{};
    if (text.size() != 2 * guid.size()) return std::nullopt;
    for (std::size_t i = 0; i < guid.size(); ++i) {
        const char* digits = text.data() + 2 * i;
        const auto [end, code] = std::from_chars(digits, digits + 2, guid[place[i]], 16);
        if (code != std::errc() || end != digits + 2) return std::nullopt;
    }
    return guid;
}

template <class Entry>
const Entry* find_named(const std::vector<Entry>& sorted, std::string_view name) {
    const auto found = std::ranges::lower_bound(sorted, name, {}, &Entry::name);
    return found != sorted.end() && found->name == name ? &*found : nullptr;
}

} // namespace

struct IsfTable::Reader {
    IsfTable& table;
    JsonScanner json;
    std::string_view format{}; ///< version of the schema
    bool has_symbols = false;

    bool skip() { return json.skip().has_value(); }
    bool take(std::optional<std::string_view> string, std::string_view& into) {
        if (string) into = *string;
        return string.has_value();
    }
    /// Anything but a number leaves `into` as it is.
    bool take_number(std::uint64_t& into) {
        into = json.number().value_or(into);
        return !json.failed();
    }

    bool everything() {
        return json.object([&](std::string_view section) {
            if (section == "metadata") return metadata();
            if (section == "base_types") return base_types();
            if (section == "user_types") return types(table.types_, "fields");
            if (section == "enums") return types(table.enumerations_, "constants");
            if (section == "symbols") return symbols();
            return skip();
        }) && json.at_end();
    }

    bool metadata() {
        return json.object([&](std::string_view member) {
            if (member == "format") return take(json.string(), format);
            if (member != "windows") return skip();
            return json.object([&](std::string_view part) { return part == "pdb" ? pdb() : skip(); });
        });
    }

    bool pdb() {
        std::string_view guid, database;
        std::uint64_t age = 0, machine = 0;
        const bool read = json.object([&](std::string_view member) {
            if (member == "GUID") return take(json.string(), guid);
            if (member == "database") return take(json.string(), database);
            if (member == "age") return take_number(age);
            if (member == "machine_type") return take_number(machine);
            return skip();
        });
        if (!read) return false;
        const auto bytes = parse_guid(guid);
        if (!bytes || age > std::numeric_limits<std::uint32_t>::max())
            return json.reject("GUID and age of the PDB make no sense");
        table.pdb_ = pe::PdbReference{{*bytes, static_cast<std::uint32_t>(age)}, std::string(database)};
        if (machine <= std::numeric_limits<std::uint16_t>::max()) table.machine_ = static_cast<std::uint16_t>(machine);
        return true;
    }

    bool base_types() {
        return json.object([&](std::string_view name) {
            IsfBaseType type{name, {}, 0, false};
            const bool read = json.object([&](std::string_view member) {
                if (member == "kind") return take(json.string(), type.kind);
                if (member == "size") return take_number(type.size);
                if (member != "signed") return skip();
                auto value = json.skip();
                type.is_signed = value == "true";
                return value.has_value();
            });
            if (table.bases_.size() == max_types) return json.reject("too many types");
            table.bases_.push_back(type);
            return read;
        });
    }

    /// Structures and unions, or enumerations: they differ in the name of what is in them.
    bool types(std::vector<IsfType>& into, std::string_view members) {
        return json.object([&](std::string_view name) {
            IsfType type{name, 0, false, {}, {}};
            const bool read = json.object([&](std::string_view member) {
                if (member == members) return take(json.skip(), type.members);
                if (member == "size") return take_number(type.size);
                if (member == "base") return take(json.string(), type.base);
                if (member != "kind") return skip();
                std::string_view kind;
                const bool told = take(json.string(), kind);
                type.is_union = kind == "union";
                return told;
            });
            if (into.size() == max_types) return json.reject("too many types");
            into.push_back(type);
            return read;
        });
    }

    bool symbols() {
        has_symbols = true;
        return json.object([&](std::string_view name) {
            std::string_view linkage;
            // A constant has none, and what is not inside the image has a strange one.
            std::uint64_t address = std::numeric_limits<std::uint64_t>::max();
            const bool read = json.object([&](std::string_view member) {
                if (member == "address") return take_number(address);
                return member == "linkage_name" ? take(json.string(), linkage) : skip();
            });
            if (table.symbols_.size() == max_symbols) return json.reject("too many symbols");
            if (address <= std::numeric_limits<std::uint32_t>::max())
                table.symbols_.push_back({linkage.empty() ? name : linkage, static_cast<std::uint32_t>(address)});
            return read;
        });
    }

    void finish() {
        for (auto* list : {&table.types_, &table.enumerations_})
            std::ranges::stable_sort(*list, {}, &IsfType::name);
        std::ranges::stable_sort(table.bases_, {}, &IsfBaseType::name);
        table.strings_ = json.take_strings();
        const IsfBaseType* pointer = table.find_base("pointer");
        const bool stated = pointer && (pointer->size == 4 || pointer->size == 8);
        if (stated) {
            table.pointer_size_ = static_cast<unsigned>(pointer->size);
        } else if (table.machine_ == isf_machine_x86) {
            table.pointer_size_ = 4;
        }
    }

    /// The schema's first number; 0 when it makes no sense.
    [[nodiscard]] unsigned major_version() const {
        unsigned major = 0;
        std::from_chars(format.data(), format.data() + format.size(), major);
        return major;
    }
};

Result<IsfTable> IsfTable::parse(std::string text, const std::string& name) {
    IsfTable table;
    table.text_ = std::make_unique<const std::string>(std::move(text));
    Reader reader{table, JsonScanner(*table.text_)};
    if (!reader.everything())
        return fail(ErrorKind::malformed, "{} is no symbol table that can be read: {}", name, reader.json.problem());
    if (!reader.has_symbols)
        return fail(ErrorKind::malformed, "{} is no symbol table: it has no section \"symbols\"", name);
    if (!reader.format.empty() && reader.major_version() > known_format)
        return fail(ErrorKind::unsupported, "{} has format {} of symbol tables; formats up to {} are known", name,
                    reader.format, known_format);
    reader.finish();
    return table;
}

const IsfType* IsfTable::find_type(std::string_view name) const {
    return find_named(types_, name);
}

const IsfType* IsfTable::find_enumeration(std::string_view name) const {
    return find_named(enumerations_, name);
}

const IsfBaseType* IsfTable::find_base(std::string_view name) const {
    return find_named(bases_, name);
}

} // namespace poolkd::symbols
