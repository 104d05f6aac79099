#pragma once

#include "base/error.h"
#include "hunt/snapshot.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::hunt::import {

/// What a named column (or a field of a JSON row) holds.
enum class Column : std::uint8_t {
    none,
    time,
    machine,
    uptime,    ///< seconds
    tag,       ///< text
    tag_value, ///< number
    kind,
    allocs,
    frees,
    bytes,
    outstanding,
    // Rows with both pools, as SystemPoolTagInformation has them.
    paged_allocs,
    paged_frees,
    paged_bytes,
    paged_outstanding,
    nonpaged_allocs,
    nonpaged_frees,
    nonpaged_bytes,
    nonpaged_outstanding,
};
constexpr std::size_t column_count = static_cast<std::size_t>(Column::nonpaged_outstanding) + 1;

struct NamedColumn {
    Column column = Column::none;
    std::int64_t unit = 1; ///< bytes that one of it stands for: 1024 of `Size (KB)`
};

/// By its name, without regard to case and to characters that are neither letters nor digits.
[[nodiscard]] NamedColumn column_named(std::string_view name);

/// "Nonp", "NonPagedPool", "N", "0", "Paged", "P", "1", …
[[nodiscard]] std::optional<PoolKind> pool_kind_named(std::string_view name);

/// Up to four characters, `0x...`, or a decimal number of more than four digits. `exact`: blanks are part of the tag.
[[nodiscard]] std::optional<PoolTag> tag_named(std::string_view text, bool exact);

/// One row as text by column; what is absent is empty.
struct FlatRow {
    std::array<std::string_view, column_count> text;
    std::array<std::int64_t, column_count> unit = ones(); ///< of columns of bytes
    bool tag_exact = false;                               ///< the tag stood in quotes
    bool decimal_comma = false;                           ///< "1,234" may be a fraction

    static constexpr std::array<std::int64_t, column_count> ones() {
        std::array<std::int64_t, column_count> units{};
        units.fill(1);
        return units;
    }

    [[nodiscard]] std::string_view operator[](Column column) const { return text[static_cast<std::size_t>(column)]; }
    std::string_view& operator[](Column column) { return text[static_cast<std::size_t>(column)]; }
};

/// How the counters follow from the columns that there are.
class RowForm {
  public:
    /// Kind `malformed` says what is missing.
    static Result<RowForm> of(const std::array<bool, column_count>& present);
    /// Appends one or two rows. False: a field cannot be read, and nothing was appended. `activity` tells whether
    /// allocations and frees are known; if not, the allocations are the blocks in use.
    bool read(const FlatRow& row, std::vector<TagCounts>& out, bool& activity) const;

  private:
    struct Counters {
        Column allocs = Column::none, frees = Column::none, bytes = Column::none, outstanding = Column::none;
    };
    static bool any(const Counters& counters);
    static bool usable(const Counters& counters);
    static bool empty(const FlatRow& row, const Counters& from);
    static bool read_counters(const FlatRow& row, const Counters& from, TagCounts& out, bool& activity);

    Counters single_, nonpaged_, paged_;
    bool wide_ = false, tag_value_ = false;
};

} // namespace poolkd::hunt::import
