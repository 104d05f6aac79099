#include "pool/tag_counter.h"

namespace poolkd::pool {

namespace {

constexpr std::uint64_t rows_a_read = 8;
constexpr std::uint64_t longest_probe = 512; // rows; a table that is fuller than that is read whole by others

} // namespace

Result<TagCounter> TagCounter::create(nt::Kernel& kernel, PoolTag tag, Work& work) {
    POOLKD_TRY(Tracker tracker, find_tracker(kernel, work));
    if (tracker.tables.empty() || tracker.rows < 2)
        return fail(ErrorKind::malformed, "The table of pool tags has {} rows, which is not credible", tracker.rows);
    return TagCounter(std::move(tracker), tag);
}

Result<VirtAddr> TagCounter::find_row(nt::Kernel& kernel) {
    if (row_) return row_;
    const std::uint64_t stride = tracker_.row.stride, mask = tracker_.rows - 2;
    // The last row is that of the overflow; probing never reaches it (as in ReactOS).
    const std::uint64_t start = tracker_hash(tag_) & mask;
    for (std::uint64_t done = 0; done < std::min(longest_probe, mask + 1);) {
        const std::uint64_t index = (start + done) & mask;
        const std::uint64_t count = std::min(rows_a_read, mask + 1 - index);
        const VirtAddr at = tracker_.tables.front() + index * stride;
        POOLKD_TRY(ByteVector rows, memory::read_exact(kernel.memory(), at, count * stride));
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint32_t key = tracker_.row.key_of(Bytes(rows).subspan(i * stride, stride));
            if (PoolTag(key).bare() == tag_) return row_ = at + i * stride;
            if (key == 0) return VirtAddr();
        }
        done += count;
    }
    if (tracker_.expansion && tracker_.expansion_rows != 0 && tracker_.expansion_rows <= max_tracker_rows) {
        POOLKD_TRY(ByteVector rows,
                   memory::read_exact(kernel.memory(), tracker_.expansion, tracker_.expansion_rows * stride));
        for (std::uint64_t i = 0; i < tracker_.expansion_rows; ++i) {
            const std::uint32_t key = tracker_.row.key_of(Bytes(rows).subspan(i * stride, stride));
            if (PoolTag(key).bare() == tag_) return row_ = tracker_.expansion + i * stride;
            if (key == 0) break;
        }
    }
    return fail(ErrorKind::not_found, "The table of pool tags has no row of '{}'", tag_.text());
}

void TagCounter::add(TagUsage& sum, Bytes record) const {
    const TrackerRow& row = tracker_.row;
    auto bytes_of = [&](const nt::FieldReader& field) {
        const std::uint64_t used = field.read(record);
        return field.size == 4 ? std::int64_t{static_cast<std::int32_t>(used)} : static_cast<std::int64_t>(used);
    };
    sum.nonpaged.allocs += row.nonpaged_allocs.read(record);
    sum.nonpaged.frees += row.nonpaged_frees.read(record);
    sum.nonpaged.bytes += bytes_of(row.nonpaged_bytes);
    sum.paged.allocs += row.paged_allocs.read(record);
    sum.paged.frees += row.paged_frees.read(record);
    sum.paged.bytes += bytes_of(row.paged_bytes);
}

Result<TagUsage> TagCounter::read(nt::Kernel& kernel) {
    TagUsage sum;
    sum.tag = tag_;
    POOLKD_TRY(const VirtAddr row, find_row(kernel));
    if (!row) return sum;
    const std::uint64_t offset = row - tracker_.tables.front();
    const bool in_tables = offset < tracker_.rows * tracker_.row.stride;
    for (VirtAddr table : tracker_.tables) {
        const VirtAddr at = in_tables ? table + offset : row;
        POOLKD_TRY(ByteVector record, memory::read_exact(kernel.memory(), at, tracker_.row.stride));
        // A processor that has not used the tag yet has no key in its row.
        if (const std::uint32_t key = tracker_.row.key_of(record); key == 0 || PoolTag(key).bare() == tag_)
            add(sum, record);
        if (!in_tables) break; // that list is one for all processors
    }
    return sum;
}

} // namespace poolkd::pool
