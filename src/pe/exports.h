#pragma once

#include "pe/image.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::pe {

struct Export {
    std::string name;          ///< empty when exported by ordinal only
    std::uint32_t ordinal = 0; ///< with the table's base added
    std::uint32_t rva = 0;     ///< 0 for a forwarder
    std::string forwarder;     ///< "NTOSKRNL.ExFreePool"; empty for an address
};

/// What an image exports.
class ExportTable {
  public:
    /// Reads the whole table. An image without one gives an empty table. Errors: `malformed` where counts or
    /// addresses are not credible, or whatever the reader fails with. Single names that cannot be read are left out
    /// and counted.
    static Result<ExportTable> read(const Image& image);

    [[nodiscard]] const std::vector<Export>& all() const { return exports_; } ///< by ordinal, then name
    [[nodiscard]] const std::string& image_name() const { return image_name_; }
    /// The export of exactly that name.
    [[nodiscard]] const Export* find(std::string_view name) const;
    /// The first export that starts at `rva`.
    [[nodiscard]] const Export* at(std::uint32_t rva) const;
    /// Names that could not be read.
    [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

    static constexpr std::uint32_t max_exports = 0x10000; ///< ordinals have 16 bits
    static constexpr std::uint32_t max_bytes = 16u << 20;
    static constexpr std::uint32_t max_name = 4096;

  private:
    std::string image_name_;
    std::vector<Export> exports_;
    std::size_t unreadable_ = 0;
};

} // namespace poolkd::pe
