#pragma once

#include "base/tag.h"
#include "nt/layout.h"

#include <cstdint>
#include <span>

namespace poolkd::pool {

/// 2^n + 1 rows; real kernels have 1025 to 65537.
inline constexpr std::uint64_t max_tracker_rows = 1u << 20;

/// A row of the tables in which the kernel counts by tag: where its members lie. Widths and order changed several times
/// (public symbols).
struct TrackerRow {
    nt::FieldReader key, nonpaged_allocs, nonpaged_frees, nonpaged_bytes, paged_allocs, paged_frees, paged_bytes;
    std::uint64_t stride = 0; ///< bytes from row to row

    /// As the symbols' _POOL_TRACKER_TABLE has them.
    static Result<TrackerRow> from(const nt::Layout& layout);
    /// All that kernels of a pointer size are known to have had; no two have the same stride.
    static std::span<const TrackerRow> known(unsigned pointer_size);

    [[nodiscard]] std::uint32_t key_of(Bytes record) const { return static_cast<std::uint32_t>(key.read(record)); }
    [[nodiscard]] bool narrow_counts() const { return nonpaged_allocs.size == 4; }
    [[nodiscard]] bool narrow_bytes() const { return nonpaged_bytes.size == 4; }
};

/// Where the kernel begins to look for a tag in a table, before the mask: its size less one (ReactOS).
std::uint32_t tracker_hash(PoolTag tag);

} // namespace poolkd::pool
