#pragma once

#include "nt/kernel.h"

#include <initializer_list>
#include <optional>
#include <string_view>

namespace poolkd::nt {

/// Members of one record in the target's memory, read at once: the bytes from the first to the last of them. A member
/// that this kernel does not have is not there; everything else is an error of the whole.
class Record {
  public:
    static Result<Record> read(Kernel& kernel, std::string_view type, VirtAddr address,
                               std::initializer_list<std::string_view> members);

    [[nodiscard]] VirtAddr address() const { return address_; }
    /// An unsigned number; nothing for a member that is not there or is no number.
    [[nodiscard]] std::optional<std::uint64_t> number(std::string_view member) const;
    /// The pointer-size word with which a member begins, whatever its type; nothing for a member that is not there.
    [[nodiscard]] std::optional<std::uint64_t> word(std::string_view member) const;
    /// The same as an address; 0 for a member that is not there.
    [[nodiscard]] VirtAddr pointer(std::string_view member) const;
    [[nodiscard]] std::optional<VirtAddr> address_of(std::string_view member) const;
    /// Characters up to a NUL; control characters and those beyond ASCII are '?'.
    [[nodiscard]] std::string text(std::string_view member) const;
    /// How many bytes were read.
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

  private:
    [[nodiscard]] Bytes at(const symbols::Field& field) const;

    const Machine* machine_ = nullptr;
    const Layout* layout_ = nullptr;
    VirtAddr address_;
    std::uint32_t first_ = 0; ///< offset of `bytes_` in the record
    ByteVector bytes_;
};

} // namespace poolkd::nt
