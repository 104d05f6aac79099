#include "pool/header.h"

namespace poolkd::pool {

namespace {
// The meaning of PoolType changed with Vista without a change of the member (pool.md 7.2). ReactOS reports 3790.
constexpr std::uint16_t first_build_with_in_use_bit = 6000;
constexpr std::uint32_t paged_bit = 1, in_use_bit = 2, quota_bit = 8;
} // namespace

Result<HeaderReader> HeaderReader::create(nt::Kernel& kernel) {
    POOLKD_TRY(const nt::Layout* layout, kernel.layout("_POOL_HEADER"));
    HeaderReader reader;
    POOLKD_TRY(reader.previous_size_, layout->field("PreviousSize"));
    POOLKD_TRY(reader.block_size_, layout->field("BlockSize"));
    POOLKD_TRY(reader.pool_type_, layout->field("PoolType"));
    POOLKD_TRY(reader.pool_tag_, layout->field("PoolTag"));
    reader.header_size_ = static_cast<std::uint32_t>(layout->size());
    reader.unit_ = 2u * kernel.machine().pointer_size;
    reader.page_size_ = kernel.machine().page_size;
    reader.biased_type_ = kernel.target().identity().build < first_build_with_in_use_bit;
    if (reader.header_size_ != reader.unit_)
        return fail(ErrorKind::malformed, "The symbols' _POOL_HEADER has {} bytes; {} were expected",
                    reader.header_size_, reader.unit_);
    return reader;
}

PoolHeader HeaderReader::read(Bytes record) const {
    PoolHeader header;
    header.size = static_cast<std::uint32_t>(block_size_.read(record)) * unit_;
    header.previous_size = static_cast<std::uint32_t>(previous_size_.read(record)) * unit_;
    header.tag = PoolTag(static_cast<std::uint32_t>(pool_tag_.read(record)));
    header.type = static_cast<std::uint32_t>(pool_type_.read(record));
    if (biased_type_) {
        header.allocated = header.type != 0;
        const std::uint32_t type = header.allocated ? header.type - 1 : 0;
        header.paged = (type & paged_bit) != 0;
        header.quota = (type & quota_bit) != 0;
    } else {
        header.allocated = (header.type & in_use_bit) != 0;
        header.paged = (header.type & paged_bit) != 0;
        header.quota = header.allocated && (header.type & quota_bit) != 0;
    }
    return header;
}

} // namespace poolkd::pool
