#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "symbols/type.h"

#include <cstdint>
#include <string_view>

namespace poolkd::nt {

/// Where a member lies, resolved once from the symbols, to be read from many records.
struct FieldReader {
    std::uint32_t offset = 0;
    std::uint8_t size = 0; ///< bytes of the storage unit, 1 to 8
    std::uint8_t bit_position = 0;
    std::uint8_t bit_count = 0; ///< 0: the whole unit

    /// The unsigned value in a record that starts at the first byte; 0 when the record is too short.
    [[nodiscard]] std::uint64_t read(Bytes record) const;
    /// Writes the value into the record; the neighbours of a bit-field stay as they are.
    bool write(MutableBytes record, std::uint64_t value) const;
};

/// A structure's layout asked by member name, as the symbols give it.
class Layout {
  public:
    explicit Layout(symbols::StructLayout layout) : layout_(std::move(layout)) {}

    [[nodiscard]] const std::string& name() const { return layout_.name; }
    [[nodiscard]] std::uint64_t size() const { return layout_.size; }
    [[nodiscard]] bool has(std::string_view member) const { return layout_.find(member) != nullptr; }
    /// A member that fits 8 bytes. Kind `not_found` names structure and member.
    [[nodiscard]] Result<FieldReader> field(std::string_view member) const;
    /// The first of several spellings that exists (a member that was renamed between versions).
    [[nodiscard]] Result<FieldReader> any_field(std::initializer_list<std::string_view> members) const;
    /// Offset of a member of any size.
    [[nodiscard]] Result<std::uint32_t> offset(std::string_view member) const;
    [[nodiscard]] const symbols::StructLayout& description() const { return layout_; }

  private:
    symbols::StructLayout layout_;
};

} // namespace poolkd::nt
