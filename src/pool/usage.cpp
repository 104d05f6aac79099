#include "pool/usage.h"

#include "pool/tagging.h"

#include <algorithm>
#include <unordered_map>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t max_rows = 1u << 20; // 2^n + 1 rows; real kernels have 1025 to 65537
constexpr std::uint64_t max_processors = 2048;
constexpr std::uint64_t max_row_bytes = 0x200;

/// The members of _POOL_TRACKER_TABLE. Widths and order changed several times (pool.md 4.3): both come from the
/// symbols.
struct TrackerRow {
    nt::FieldReader key, nonpaged_allocs, nonpaged_frees, nonpaged_bytes, paged_allocs, paged_frees, paged_bytes;
    std::uint64_t stride = 0;

    static Result<TrackerRow> from(const nt::Layout& layout) {
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

    [[nodiscard]] bool narrow_counts() const { return nonpaged_allocs.size == 4; }
    [[nodiscard]] bool narrow_bytes() const { return nonpaged_bytes.size == 4; }

    void add(PoolCounts& counts, Bytes record, const nt::FieldReader& allocs, const nt::FieldReader& frees,
             const nt::FieldReader& bytes) const {
        counts.allocs += allocs.read(record);
        counts.frees += frees.read(record);
        std::uint64_t used = bytes.read(record);
        // One processor's share may be negative: allocated there, freed here. Only the sum means anything.
        counts.bytes += bytes.size == 4 ? static_cast<std::int32_t>(used) : static_cast<std::int64_t>(used);
    }
};

class Collector {
  public:
    Collector(const TrackerRow& row, UsageTable& table) : row_(row), table_(table) {}

    /// `key_there` is the key at the same index of the global table: a processor's own row may not have it yet.
    void add(Bytes record, bool overflow, std::uint32_t key_there) {
        const auto key = static_cast<std::uint32_t>(row_.key.read(record));
        PoolTag tag = PoolTag(key != 0 ? key : key_there).bare();
        if (tag.value == 0 && !overflow) return;
        TagUsage usage{tag, {}, {}, overflow};
        row_.add(usage.nonpaged, record, row_.nonpaged_allocs, row_.nonpaged_frees, row_.nonpaged_bytes);
        row_.add(usage.paged, record, row_.paged_allocs, row_.paged_frees, row_.paged_bytes);
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
    static void merge(PoolCounts& sum, const PoolCounts& part) {
        sum.allocs += part.allocs;
        sum.frees += part.frees;
        sum.bytes += part.bytes;
    }

    const TrackerRow& row_;
    UsageTable& table_;
    std::unordered_map<std::uint32_t, std::size_t> index_;
};

/// PoolTrackTable and each processor's table, without nulls and duplicates.
Result<std::vector<VirtAddr>> tracker_tables(nt::Kernel& kernel, VirtAddr global) {
    std::vector<VirtAddr> tables{global};
    auto per_processor = kernel.address_of("ExPoolTagTables");
    if (!per_processor) return tables; // ReactOS and very old kernels have one table
    const unsigned pointer = kernel.machine().pointer_size;
    const std::uint64_t processors = std::min<std::uint64_t>(kernel.target().identity().processors, max_processors);
    POOLKD_TRY(ByteVector pointers, memory::read_exact(kernel.memory(), *per_processor, processors * pointer));
    for (std::uint64_t i = 0; i < processors; ++i) {
        VirtAddr table = kernel.machine().canonical(load_unsigned(pointers, i * pointer, pointer).value_or(0));
        if (table && std::ranges::find(tables, table) == tables.end()) tables.push_back(table);
    }
    return tables;
}

} // namespace

Result<Answer<UsageTable>> read_usage(nt::Kernel& kernel, Work& work) {
    POOLKD_CHECK(require_tagging(kernel));
    POOLKD_TRY(VirtAddr global, kernel.read_pointer_global("PoolTrackTable"));
    POOLKD_TRY(std::uint64_t rows, kernel.read_global("PoolTrackTableSize"));
    if (rows == 0 || rows > max_rows)
        return fail(ErrorKind::malformed,
                    "PoolTrackTableSize is {}, which is not credible: wrong symbols, or damaged memory", rows);
    POOLKD_TRY(const nt::Layout* layout, kernel.layout("_POOL_TRACKER_TABLE"));
    POOLKD_TRY(TrackerRow row, TrackerRow::from(*layout));
    POOLKD_TRY(std::vector<VirtAddr> tables, tracker_tables(kernel, global));

    Answer<UsageTable> answer;
    answer.value.tables = tables.size();
    Collector collector(row, answer.value);
    std::vector<std::uint32_t> keys(rows); // of the global table, which is read first
    auto read_rows = [&](VirtAddr table, std::uint64_t count, bool last_is_overflow, bool ends_at_zero) {
        auto bytes = memory::read_sparse(kernel.memory(), table, count * row.stride, kernel.machine().page_size, &work);
        answer.coverage.merge(bytes.coverage);
        answer.value.table_bytes += count * row.stride;
        for (std::uint64_t i = 0; i < count; ++i) {
            Bytes record = Bytes(bytes.value).subspan(i * row.stride, row.stride);
            if (ends_at_zero && row.key.read(record) == 0) break;
            if (table == global) keys[i] = static_cast<std::uint32_t>(row.key.read(record));
            collector.add(record, last_is_overflow && i + 1 == count, ends_at_zero ? 0 : keys[i]);
        }
        work.progress("reading tracker tables", answer.value.table_bytes, tables.size() * rows * row.stride);
    };
    for (VirtAddr table : tables) {
        read_rows(table, rows, true, false);
        if (answer.coverage.stopped()) break;
    }

    // The expansion list is global and ends at its first empty row.
    auto expansion = kernel.read_pointer_global("PoolTrackTableExpansion");
    auto expansion_rows = kernel.read_global("PoolTrackTableExpansionSize");
    if (expansion && *expansion && expansion_rows && *expansion_rows != 0) {
        if (*expansion_rows <= max_rows) {
            read_rows(*expansion, *expansion_rows, false, true);
        } else {
            answer.coverage.add_gap(GapReason::malformed, *expansion, 0);
        }
    }
    collector.finish();
    return answer;
}

} // namespace poolkd::pool
