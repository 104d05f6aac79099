#include "pool/usage.h"

#include "pool/tracker.h"

#include <algorithm>
#include <unordered_map>

namespace poolkd::pool {

namespace {

class Collector {
  public:
    Collector(const TrackerRow& row, UsageTable& table) : row_(row), table_(table) {}

    /// `key_there` is the key at the same index of the global table: a processor's own row may not have it yet.
    void add(Bytes record, bool overflow, std::uint32_t key_there) {
        const auto key = static_cast<std::uint32_t>(row_.key.read(record));
        PoolTag tag = PoolTag(key != 0 ? key : key_there).bare();
        if (tag.value == 0 && !overflow) return;
        TagUsage usage{tag, {}, {}, overflow};
        usage.nonpaged = counts_of(record, row_.nonpaged_allocs, row_.nonpaged_frees, row_.nonpaged_bytes);
        usage.paged = counts_of(record, row_.paged_allocs, row_.paged_frees, row_.paged_bytes);
        if (overflow) {
            if (!usage.nonpaged.touched() && !usage.paged.touched()) return;
            if (tag.value == 0) usage.tag = PoolTag(0x6c66764f); // "Ovfl", as the kernel names the row elsewhere
        }
        auto [at, fresh] = index_.try_emplace(usage.tag.value, table_.tags.size());
        if (fresh) {
            table_.tags.push_back(usage);
            return;
        }
        TagUsage& sum = table_.tags[at->second];
        sum.overflow = sum.overflow || overflow;
        merge(sum.nonpaged, usage.nonpaged);
        merge(sum.paged, usage.paged);
    }

    /// 32-bit counters wrap on busy machines; their difference is right modulo 2^32.
    void finish() {
        for (TagUsage& usage : table_.tags)
            for (PoolCounts* counts : {&usage.nonpaged, &usage.paged}) {
                if (row_.narrow_bytes()) counts->bytes = static_cast<std::int32_t>(counts->bytes);
                if (!row_.narrow_counts()) continue;
                auto live = static_cast<std::uint32_t>(counts->allocs - counts->frees);
                counts->frees = static_cast<std::uint32_t>(counts->frees);
                counts->allocs = counts->frees + live;
            }
    }

  private:
    static PoolCounts counts_of(Bytes record, const nt::FieldReader& allocs, const nt::FieldReader& frees,
                                const nt::FieldReader& bytes) {
        const std::uint64_t used = bytes.read(record);
        // One processor's share may be negative: allocated there, freed here. Only the sum means anything.
        return {allocs.read(record), frees.read(record),
                bytes.size == 4 ? static_cast<std::int32_t>(used) : static_cast<std::int64_t>(used)};
    }

    static void merge(PoolCounts& sum, const PoolCounts& part) {
        sum.allocs += part.allocs;
        sum.frees += part.frees;
        sum.bytes += part.bytes;
    }

    const TrackerRow& row_;
    UsageTable& table_;
    std::unordered_map<std::uint32_t, std::size_t> index_;
};

/// An inferred layout is only good when what it gives makes sense for nearly all tags: columns in another order, or
/// tables of processors that were not found, do not.
Result<void> check_inferred(const UsageTable& table) {
    constexpr PoolTag tables_tag(0x6c6f6f50); // "Pool": the tables themselves are counted as nonpaged blocks of it
    std::size_t counted = 0, sensible = 0;
    for (const TagUsage& usage : table.tags) {
        if (usage.overflow) continue;
        if (usage.tag == tables_tag && usage.nonpaged.bytes == 0 && usage.paged.bytes >= std::int64_t{1} << 12)
            return fail(ErrorKind::not_found, "Paged and nonpaged counts cannot be told apart without symbols");
        for (const PoolCounts& counts : {usage.nonpaged, usage.paged}) {
            if (!counts.touched()) continue;
            constexpr std::int64_t smallest_block = 8;
            const std::int64_t blocks = counts.outstanding();
            ++counted;
            if (blocks >= 0 && (blocks == 0) == (counts.bytes == 0) && counts.bytes / smallest_block >= blocks)
                ++sensible;
        }
    }
    if (counted != 0 && 50 * sensible >= 49 * counted) return {};
    return fail(
        ErrorKind::not_found,
        "Without symbols the data do not decide: by the likeliest layout of the tables only {} of {} counts make "
        "sense",
        sensible, counted);
}

} // namespace

Result<Answer<UsageTable>> read_usage(nt::Kernel& kernel, Work& work) {
    POOLKD_TRY(const Tracker tracker, find_tracker(kernel, work));
    const TrackerRow& row = tracker.row;
    const std::vector<VirtAddr>& tables = tracker.tables;
    const std::uint64_t rows = tracker.rows;

    Answer<UsageTable> answer;
    answer.value.tables = tables.size();
    answer.value.inferred = tracker.inferred;
    Collector collector(row, answer.value);
    std::vector<std::uint32_t> keys(rows); // of the global table, which is read first
    auto read_rows = [&](VirtAddr table, std::uint64_t count, bool last_is_overflow, bool ends_at_zero) {
        auto bytes = memory::read_sparse(kernel.memory(), table, count * row.stride, kernel.machine().page_size, &work);
        answer.coverage.merge(bytes.coverage);
        answer.value.table_bytes += count * row.stride;
        for (std::uint64_t i = 0; i < count; ++i) {
            Bytes record = Bytes(bytes.value).subspan(i * row.stride, row.stride);
            if (ends_at_zero && row.key.read(record) == 0) break;
            if (!ends_at_zero && table == tables.front()) keys[i] = static_cast<std::uint32_t>(row.key.read(record));
            collector.add(record, last_is_overflow && i + 1 == count, ends_at_zero ? 0 : keys[i]);
        }
        work.progress("reading tracker tables", answer.value.table_bytes, tables.size() * rows * row.stride);
    };
    for (VirtAddr table : tables) {
        read_rows(table, rows, true, false);
        if (answer.coverage.stopped()) break;
    }

    // The expansion list is global and ends at its first empty row.
    if (tracker.expansion && tracker.expansion_rows != 0) {
        if (tracker.expansion_rows <= max_tracker_rows) {
            read_rows(tracker.expansion, tracker.expansion_rows, false, true);
        } else {
            answer.coverage.add_gap(GapReason::malformed, tracker.expansion, 0);
        }
    }
    if (tracker.cut_short) answer.coverage.add_gap(GapReason::malformed, tables.front(), 0);
    collector.finish();
    if (!tracker.inferred.empty() && !answer.coverage.stopped()) POOLKD_CHECK(check_inferred(answer.value));
    return answer;
}

} // namespace poolkd::pool
