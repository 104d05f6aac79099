#include "pool/tracker_row.h"

namespace poolkd::pool {

namespace {

constexpr std::uint64_t max_row_bytes = 0x200;

constexpr nt::FieldReader member(std::uint32_t offset, std::uint8_t size) {
    return {offset, size, 0, 0};
}

// Sources: public symbols of the kernels named.
constexpr TrackerRow narrow_rows[] = {
    // XP and 2003 to 15063.
    {member(0x00, 4), member(0x04, 4), member(0x08, 4), member(0x0c, 4), member(0x10, 4), member(0x14, 4),
     member(0x18, 4), 0x1c},
    // From 16299 on.
    {member(0x00, 4), member(0x08, 8), member(0x10, 8), member(0x04, 4), member(0x20, 8), member(0x28, 8),
     member(0x18, 4), 0x30},
};
constexpr TrackerRow wide_rows[] = {
    // 2003 to 15063.
    {member(0x00, 4), member(0x04, 4), member(0x08, 4), member(0x10, 8), member(0x18, 4), member(0x1c, 4),
     member(0x20, 8), 0x28},
    // 16299 to 19041.
    {member(0x00, 4), member(0x10, 8), member(0x18, 8), member(0x08, 8), member(0x28, 8), member(0x30, 8),
     member(0x20, 8), 0x38},
    // From 20348 on: the same with limits behind it.
    {member(0x00, 4), member(0x10, 8), member(0x18, 8), member(0x08, 8), member(0x28, 8), member(0x30, 8),
     member(0x20, 8), 0x50},
};

} // namespace

Result<TrackerRow> TrackerRow::from(const nt::Layout& layout) {
    TrackerRow row;
    POOLKD_TRY(row.key, layout.field("Key"));
    POOLKD_TRY(row.nonpaged_allocs, layout.field("NonPagedAllocs"));
    POOLKD_TRY(row.nonpaged_frees, layout.field("NonPagedFrees"));
    POOLKD_TRY(row.nonpaged_bytes, layout.field("NonPagedBytes"));
    POOLKD_TRY(row.paged_allocs, layout.field("PagedAllocs"));
    POOLKD_TRY(row.paged_frees, layout.field("PagedFrees"));
    POOLKD_TRY(row.paged_bytes, layout.field("PagedBytes"));
    row.stride = layout.size();
    if (row.stride == 0 || row.stride > max_row_bytes)
        return fail(ErrorKind::malformed, "{} has {} bytes, which is not credible", layout.name(), row.stride);
    return row;
}

std::span<const TrackerRow> TrackerRow::known(unsigned pointer_size) {
    return pointer_size == 4 ? std::span<const TrackerRow>(narrow_rows) : std::span<const TrackerRow>(wide_rows);
}

std::uint32_t tracker_hash(PoolTag tag) {
    const std::uint64_t product = std::uint64_t{tag.bare().value} * 40543;
    return static_cast<std::uint32_t>(product) ^ static_cast<std::uint32_t>(product >> 32);
}

} // namespace poolkd::pool
