#include "pool/header.h"

namespace poolkd::pool {

namespace {
// The meaning of PoolType changed with Vista without a change of the member (Volatility). ReactOS reports 3790.
constexpr std::uint16_t first_build_with_in_use_bit = 6000;
} // namespace

Result<HeaderReader> HeaderReader::create(nt::Kernel& kernel) {
    POOLKD_TRY(const nt::Layout* layout, kernel.layout("_POOL_HEADER"));
    HeaderReader reader;
    auto member = [&](std::string_view name) -> Result<Bits> {
        POOLKD_TRY(const nt::FieldReader field, layout->field(name));
        const std::uint64_t bits = field.bit_count != 0 ? field.bit_count : 8u * field.size;
        const std::uint32_t shift = field.offset % 8 * 8 + field.bit_position;
        if (field.offset >= 16 || shift + bits > 64 || bits > 32)
            return fail(ErrorKind::malformed, "The symbols' _POOL_HEADER.{} is not where it can be", name);
        return Bits{static_cast<std::uint8_t>(field.offset / 8), static_cast<std::uint8_t>(shift),
                    static_cast<std::uint32_t>((std::uint64_t{1} << bits) - 1)};
    };
    POOLKD_TRY(reader.previous_size_, member("PreviousSize"));
    POOLKD_TRY(reader.block_size_, member("BlockSize"));
    POOLKD_TRY(reader.pool_type_, member("PoolType"));
    POOLKD_TRY(reader.pool_tag_, member("PoolTag"));
    reader.header_size_ = static_cast<std::uint32_t>(layout->size());
    reader.unit_ = 2u * kernel.machine().pointer_size;
    reader.page_size_ = kernel.machine().page_size;
    reader.biased_type_ = kernel.target().identity().build < first_build_with_in_use_bit;
    if (reader.header_size_ != reader.unit_)
        return fail(ErrorKind::malformed, "The symbols' _POOL_HEADER has {} bytes; {} were expected",
                    reader.header_size_, reader.unit_);
    return reader;
}

} // namespace poolkd::pool
