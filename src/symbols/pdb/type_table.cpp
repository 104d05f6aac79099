#include "symbols/pdb/type_table.h"

#include "base/text.h"
#include "symbols/names.h"
#include "symbols/pdb/publics.h"

#include <algorithm>
#include <utility>

namespace poolkd::symbols {

namespace {

constexpr std::uint32_t header_bytes = 56; // TpiStreamHeader

enum : std::uint16_t {
    lf_class = 0x1504,
    lf_structure = 0x1505,
    lf_union = 0x1506,
    lf_enum = 0x1507,
    lf_interface = 0x1519,
};

constexpr std::uint16_t property_forward = 0x80;
constexpr std::uint16_t property_unique_name = 0x200;

/// Bytes that a numeric leaf takes: small numbers stand for themselves, others have a kind before them.
std::size_t numeric_bytes(Bytes record, std::size_t offset) {
    const auto kind = load_or<std::uint16_t>(record, offset);
    if (kind < 0x8000) return 2;
    switch (kind) {
    case 0x8000: return 3; // char
    case 0x8001:           // short
    case 0x8002: return 4; // unsigned short
    case 0x8003:           // long
    case 0x8004: return 6; // unsigned long
    case 0x8009:           // 64 bits
    case 0x800a: return 10;
    default: return 2;
    }
}

} // namespace

std::optional<TaggedType> TypeTable::parse_tagged(Bytes record) {
    std::size_t name = 0;
    switch (load_or<std::uint16_t>(record, 2)) {
    case lf_class:
    case lf_structure:
    case lf_interface: name = 20 + numeric_bytes(record, 20); break;
    case lf_union: name = 12 + numeric_bytes(record, 12); break;
    case lf_enum: name = 16; break;
    default: return std::nullopt;
    }
    const auto properties = load_or<std::uint16_t>(record, 6);
    TaggedType type{text_at(record, name), {}, (properties & property_forward) != 0};
    if (properties & property_unique_name) type.unique_name = text_at(record, name + type.name.size() + 1);
    return type;
}

Result<TypeTable> TypeTable::load(const PdbFile& file) {
    TypeTable table;
    table.stream_ = file.stream(PdbFile::type_stream);
    ByteVector scratch;
    Bytes header = table.stream_.read(0, header_bytes, scratch);
    if (header.empty()) return fail(ErrorKind::unsupported, "{} has no type information", file.path());
    table.records_offset_ = load_or<std::uint32_t>(header, 4);
    const auto begin = load_or<std::uint32_t>(header, 8);
    const auto end = load_or<std::uint32_t>(header, 12);
    const auto bytes = load_or<std::uint32_t>(header, 16);
    const std::uint32_t size = table.stream_.size();
    if (begin != first_record || end < begin || table.records_offset_ < header_bytes || table.records_offset_ > size ||
        bytes > size - table.records_offset_)
        return fail(ErrorKind::malformed, "{} is damaged: the header of its type stream contradicts its size",
                    file.path());
    if (bytes == 0) return fail(ErrorKind::unsupported, "{} has no type information", file.path());
    table.records_end_ = table.records_offset_ + bytes;
    table.count_ = end - begin;
    return table;
}

void TypeTable::build() {
    if (built_) return;
    built_ = true;
    // The smallest record has four bytes.
    offsets_.reserve(std::min(count_, (records_end_ - records_offset_) / 4));
    for (std::uint32_t offset = records_offset_; offset < records_end_ && offsets_.size() < count_;) {
        Bytes record = stream_.record(offset, scratch_);
        if (record.empty()) break;
        auto type = parse_tagged(record);
        if (type && !type->is_forward)
            names_.push_back(
                {hash_ignore_case(type->name), static_cast<std::uint32_t>(first_record + offsets_.size())});
        offsets_.push_back(offset);
        offset += static_cast<std::uint32_t>(record.size());
    }
    std::ranges::sort(names_, {}, [](const Named& n) { return std::pair(n.hash, n.index); });
    names_.shrink_to_fit();
}

Bytes TypeTable::record(std::uint32_t index) {
    build();
    if (index < first_record || index - first_record >= offsets_.size()) return {};
    return stream_.record(offsets_[index - first_record], scratch_);
}

std::vector<std::uint32_t> TypeTable::find(std::string_view name) {
    build();
    std::vector<std::uint32_t> exact;
    std::vector<std::uint32_t> others;
    for (const Named& entry : std::ranges::equal_range(names_, hash_ignore_case(name), {}, &Named::hash)) {
        auto type = parse_tagged(record(entry.index));
        if (!type) continue;
        if (type->name == name) {
            exact.push_back(entry.index);
        } else if (equals_ignore_case(type->name, name)) {
            others.push_back(entry.index);
        }
    }
    exact.insert(exact.end(), others.begin(), others.end());
    return exact;
}

std::uint32_t TypeTable::definition(std::uint32_t index) {
    auto declared = parse_tagged(record(index));
    if (!declared || !declared->is_forward) return index;
    // Copies: the views end with the next record.
    const std::string name(declared->name);
    const std::string unique_name(declared->unique_name);
    const std::vector<std::uint32_t> full = find(name);
    if (!unique_name.empty())
        for (std::uint32_t candidate : full)
            if (auto type = parse_tagged(record(candidate)); type && type->unique_name == unique_name) return candidate;
    if (full.empty()) return index;
    auto best = parse_tagged(record(full.front()));
    return best && best->name == name ? full.front() : index;
}

std::vector<std::string> TypeTable::match(std::string_view pattern, std::size_t limit) {
    build();
    const SymbolPattern wanted(pattern);
    std::vector<std::string> names;
    for (const Named& entry : names_)
        if (auto type = parse_tagged(record(entry.index)); type && wanted.matches(type->name))
            names.emplace_back(type->name);
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
    if (names.size() > limit) names.resize(limit);
    return names;
}

} // namespace poolkd::symbols
