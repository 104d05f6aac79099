#include "pool/big_pages.h"

#include "pool/ranges.h"
#include "pool/small_dump.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t max_entries = 0x1000000;
constexpr std::uint64_t max_entry_bytes = 0x100;
constexpr std::uint64_t table_chunk_bytes = 1u << 20; // one read
constexpr std::size_t most_live = 4u << 20; // entries in use, of a damaged table: 16 GB of the smallest blocks
// POOL_TYPE and, from the 26100 era on, POOL_FLAGS (wdm.h).
constexpr std::uint32_t type_paged = 1;
constexpr std::uint32_t flag_paged = 0x100, flags_any_pool = 0x40 | 0x80 | 0x100;

/// Tables up to Server 2003, and ReactOS's, keep no type: the pool that an allocation lies in tells it.
void tell_pools_by_address(nt::Kernel& kernel, std::vector<BigPage>& pages, Work& work) {
    auto ranges = find_ranges(kernel, work);
    if (!ranges) return;
    for (BigPage& page : pages)
        for (const PoolRange& range : *ranges)
            if (range.first <= page.address && page.address <= range.last) {
                page.paged = range.kind == PoolKind::paged;
                page.kind_known = true;
            }
}

} // namespace

Result<Answer<BigPageTable>> read_big_pages(nt::Kernel& kernel, Work& work) {
    POOLKD_CHECK(require_pool_memory(kernel, "The blocks of the pool are"));
    POOLKD_TRY(VirtAddr table, kernel.read_pointer_global("PoolBigPageTable"));
    POOLKD_TRY(std::uint64_t entries, kernel.read_global("PoolBigPageTableSize"));
    POOLKD_TRY(const nt::Layout* layout, kernel.layout("_POOL_TRACKER_BIG_PAGES"));
    const std::uint64_t stride = layout->size();
    if (!table || entries == 0 || entries > max_entries || stride == 0 || stride > max_entry_bytes)
        return fail(ErrorKind::malformed,
                    "The big-page table ({} entries of {} bytes) is not credible: wrong symbols, or damaged memory",
                    entries, stride);
    POOLKD_TRY(nt::FieldReader va, layout->field("Va"));
    POOLKD_TRY(nt::FieldReader key, layout->field("Key"));
    POOLKD_TRY(nt::FieldReader size, layout->any_field({"NumberOfBytes", "NumberOfPages"}));
    const std::uint64_t scale = layout->has("NumberOfBytes") ? 1 : kernel.machine().page_size;
    const auto type = layout->field("PoolType");

    Answer<BigPageTable> answer;
    answer.value.table = table;
    answer.value.end = table + entries * stride;
    std::size_t look_like_flags = 0;
    Answer<ByteVector> bytes;
    const std::uint64_t in_chunk = std::max<std::uint64_t>(1, table_chunk_bytes / stride);
    for (std::uint64_t i = 0; i < entries; ++i) {
        if (i % in_chunk == 0) {
            if (answer.value.live.size() > most_live) {
                answer.coverage.add_gap(GapReason::limit_reached, table + i * stride, (entries - i) * stride);
                break;
            }
            bytes = memory::read_sparse(kernel.memory(), table + i * stride, std::min(in_chunk, entries - i) * stride,
                                        kernel.machine().page_size, &work);
            answer.coverage.merge(bytes.coverage);
            if (bytes.coverage.stopped()) break;
            if (bytes.coverage.read() == 0) { // nothing of it is there: of a table whose size is damaged, most
                i += std::min(in_chunk, entries - i) - 1;
                continue;
            }
        }
        Bytes record = Bytes(bytes.value).subspan(i % in_chunk * stride, stride);
        const std::uint64_t address = va.read(record);
        if (address == 0 || (address & 1)) continue; // never used, or freed
        BigPage page;
        page.address = kernel.machine().canonical(address);
        page.tag = PoolTag(static_cast<std::uint32_t>(key.read(record)));
        page.bytes = size.read(record) * scale;
        if (type) {
            page.type = static_cast<std::uint32_t>(type->read(record));
            page.kind_known = true;
            if (page.type & flags_any_pool) ++look_like_flags;
        }
        answer.value.live.push_back(page);
    }
    // The member is the same in both eras; only the population tells which it is.
    const bool flags = look_like_flags * 2 > answer.value.live.size();
    for (BigPage& page : answer.value.live)
        page.paged = (page.type & (flags ? flag_paged : type_paged)) != 0;
    if (!type) tell_pools_by_address(kernel, answer.value.live, work);
    std::ranges::sort(answer.value.live, {}, &BigPage::address);
    return answer;
}

} // namespace poolkd::pool
