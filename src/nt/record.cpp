#include "nt/record.h"

#include <algorithm>

namespace poolkd::nt {

namespace {

constexpr std::uint32_t longest_record = 0x4000; // _EPROCESS of Windows 11 has b80 bytes

/// What a member takes of the record; a type that the symbols do not describe counts as a pointer.
std::uint64_t extent(const symbols::Field& field) {
    return field.type && field.type->size != 0 ? field.type->size : 8;
}

} // namespace

Result<Record> Record::read(Kernel& kernel, std::string_view type, VirtAddr address,
                            std::initializer_list<std::string_view> members) {
    Record record;
    record.machine_ = &kernel.machine();
    record.address_ = address;
    POOLKD_TRY(record.layout_, kernel.layout(type));
    std::uint64_t first = longest_record, end = 0;
    for (const std::string_view member : members)
        if (const symbols::Field* field = record.layout_->description().find(member)) {
            first = std::min<std::uint64_t>(first, field->offset);
            // Each by itself: the sum of damaged ones may wrap around to one that is credible.
            const std::uint64_t bytes = extent(*field);
            if (field->offset > longest_record || bytes > longest_record)
                return fail(ErrorKind::malformed, "{}.{} has {} bytes at {}, which is not credible", type, member,
                            bytes, field->offset);
            end = std::max(end, field->offset + bytes);
        }
    if (end > longest_record) return fail(ErrorKind::malformed, "{} has {} bytes, which is not credible", type, end);
    if (end == 0) return fail(ErrorKind::not_found, "The symbols' {} has none of the members that are needed", type);
    record.first_ = static_cast<std::uint32_t>(first);
    POOLKD_TRY(record.bytes_, memory::read_exact(kernel.memory(), address + first, end - first));
    return record;
}

Bytes Record::at(const symbols::Field& field) const {
    if (field.offset < first_ || field.offset - first_ >= bytes_.size()) return {};
    return Bytes(bytes_).subspan(field.offset - first_);
}

std::optional<std::uint64_t> Record::number(std::string_view member) const {
    auto field = layout_->field(member);
    if (!field || field->offset < first_) return std::nullopt;
    field->offset -= first_;
    if (field->offset + field->size > bytes_.size()) return std::nullopt;
    return field->read(bytes_);
}

std::optional<std::uint64_t> Record::word(std::string_view member) const {
    const symbols::Field* field = layout_->description().find(member);
    return field ? load_unsigned(at(*field), 0, machine_->pointer_size) : std::nullopt;
}

VirtAddr Record::pointer(std::string_view member) const {
    return machine_->canonical(word(member).value_or(0));
}

std::optional<VirtAddr> Record::address_of(std::string_view member) const {
    const symbols::Field* field = layout_->description().find(member);
    return field ? std::optional(address_ + field->offset) : std::nullopt;
}

std::string Record::text(std::string_view member) const {
    const symbols::Field* field = layout_->description().find(member);
    std::string text;
    if (!field) return text;
    const Bytes bytes = at(*field);
    for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), extent(*field)))) {
        const char c = static_cast<char>(byte);
        if (c == 0) break;
        text += c >= ' ' && c <= '~' ? c : '?';
    }
    return text;
}

} // namespace poolkd::nt
