#include "pool/find_block.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t most_entries = 0x1000000, most_stride = 0x100;
/// Looked through behind the place that a hash gives; a long run of them is full of freed entries, too.
constexpr std::uint64_t window = 32, windows = 4;
/// A table of this size is read whole where no hash leads to the entry: in kernels whose hash is not known, and after
/// the table grew.
constexpr std::uint64_t small_table_bytes = 64u << 10;

std::uint64_t multiplied(std::uint64_t page) { // as in yardenshafir/PoolViewer
    const std::uint64_t product = (page & 0xffffffff) * 0x9e5f;
    return (product & 0xffffffff) ^ (product >> 32);
}

std::uint64_t folded(std::uint64_t page) { // Windows Server 2003, ReactOS
    const auto low = static_cast<std::uint32_t>(page);
    return (low >> 24) ^ (low >> 16) ^ (low >> 8) ^ low;
}

} // namespace

Result<BlockFinder> BlockFinder::create(nt::Kernel& kernel) {
    POOLKD_TRY(HeaderReader headers, HeaderReader::create(kernel));
    BlockFinder finder(headers);
    if (auto layout = kernel.layout("_POOL_TRACKER_BIG_PAGES")) {
        BigLayout big;
        big.stride = (*layout)->size();
        auto va = (*layout)->field("Va"), key = (*layout)->field("Key");
        auto size = (*layout)->any_field({"NumberOfBytes", "NumberOfPages"});
        if (va && key && size && big.stride != 0 && big.stride <= most_stride) {
            big.va = *va;
            big.key = *key;
            big.size = *size;
            big.scale = (*layout)->has("NumberOfBytes") ? 1 : kernel.machine().page_size;
            if (auto type = (*layout)->field("PoolType")) big.type = *type;
            finder.big_ = big;
        }
    }
    return finder;
}

std::optional<PoolBlock> BlockFinder::at(nt::Kernel& kernel, VirtAddr body) {
    if (!body || body.value % headers_.unit() != 0) return std::nullopt;
    return body.value % headers_.page_size() == 0 ? big_at(kernel, body) : small_at(kernel, body);
}

std::optional<PoolBlock> BlockFinder::small_at(nt::Kernel& kernel, VirtAddr body) const {
    const VirtAddr address = body - headers_.header_size();
    auto record = memory::read_exact(kernel.memory(), address, headers_.header_size());
    if (!record) return std::nullopt;
    const PoolHeader header = headers_.read(*record);
    const std::uint64_t offset = address.value % headers_.page_size();
    // Segment heaps keep no previous size: nothing is asked of it.
    if (!header.allocated || header.size <= headers_.header_size() || offset + header.size > headers_.page_size())
        return std::nullopt;
    PoolBlock block;
    block.address = address;
    block.body = body;
    block.size = header.size;
    block.previous_size = header.previous_size;
    block.tag = header.tag;
    block.kind = header.paged ? PoolKind::paged : PoolKind::nonpaged;
    block.quota = header.quota;
    return block;
}

std::optional<PoolBlock> BlockFinder::big_at(nt::Kernel& kernel, VirtAddr body) const {
    if (!big_) return std::nullopt;
    auto table = kernel.read_pointer_global("PoolBigPageTable");
    auto entries = kernel.read_global("PoolBigPageTableSize");
    if (!table || !entries || !*table || *entries == 0 || *entries > most_entries) return std::nullopt;
    auto look_in = [&](std::uint64_t index, std::uint64_t count) -> std::optional<PoolBlock> {
        auto bytes = memory::read_exact(kernel.memory(), *table + index * big_->stride, count * big_->stride);
        if (!bytes) return std::nullopt;
        for (std::uint64_t i = 0; i < count; ++i) {
            const Bytes record = Bytes(*bytes).subspan(i * big_->stride, big_->stride);
            if (kernel.machine().canonical(big_->va.read(record)) != body) continue;
            BigPage page;
            page.address = body;
            page.tag = PoolTag(static_cast<std::uint32_t>(big_->key.read(record)));
            page.bytes = big_->size.read(record) * big_->scale;
            if (big_->type) page.type = static_cast<std::uint32_t>(big_->type->read(record));
            page.paged = (page.type & 1) != 0; // as far as the entry alone tells: see read_big_pages
            return block_of(page);
        }
        return std::nullopt;
    };
    if (*entries * big_->stride <= small_table_bytes) return look_in(0, *entries);
    const std::uint64_t page = body.value / headers_.page_size();
    for (std::uint64_t hash : {multiplied(page), folded(page)}) {
        std::uint64_t index = hash % *entries;
        for (std::uint64_t part = 0; part < windows; ++part) {
            const std::uint64_t count = std::min(window, *entries - index);
            if (auto found = look_in(index, count)) return found;
            index = (index + count) % *entries;
        }
    }
    return std::nullopt;
}

} // namespace poolkd::pool
