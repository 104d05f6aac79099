#include "nt/layout.h"

namespace poolkd::nt {

std::uint64_t FieldReader::read(Bytes record) const {
    std::uint64_t unit = load_unsigned(record, offset, size).value_or(0);
    if (bit_count == 0 || bit_count >= 64) return unit;
    return (unit >> bit_position) & ((1ull << bit_count) - 1);
}

bool FieldReader::write(MutableBytes record, std::uint64_t value) const {
    auto unit = load_unsigned(record, offset, size);
    if (!unit) return false;
    if (bit_count != 0 && bit_count < 64) {
        std::uint64_t mask = ((1ull << bit_count) - 1) << bit_position;
        value = (*unit & ~mask) | ((value << bit_position) & mask);
    }
    return store_unsigned(record, offset, size, value);
}

Result<FieldReader> Layout::field(std::string_view member) const {
    const symbols::Field* f = layout_.find(member);
    if (!f) return fail(ErrorKind::not_found, "The symbols' {} has no member {}", layout_.name, member);
    std::uint64_t size = f->type ? f->type->size : 0;
    if (size == 0 || size > 8)
        return fail(ErrorKind::malformed, "{}.{} has {} bytes; a number of 1 to 8 was expected", layout_.name, member,
                    size);
    return FieldReader{f->offset, static_cast<std::uint8_t>(size), f->bit_position, f->bit_count};
}

Result<FieldReader> Layout::any_field(std::initializer_list<std::string_view> members) const {
    for (std::string_view member : members)
        if (has(member)) return field(member);
    return field(*members.begin());
}

Result<std::uint32_t> Layout::offset(std::string_view member) const {
    if (const symbols::Field* f = layout_.find(member)) return f->offset;
    return fail(ErrorKind::not_found, "The symbols' {} has no member {}", layout_.name, member);
}

} // namespace poolkd::nt
