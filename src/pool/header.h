#pragma once

#include "base/tag.h"
#include "nt/kernel.h"

#include <cstdint>
#include <cstring>
#include <optional>

namespace poolkd::pool {

/// What one _POOL_HEADER says, in bytes and plain words.
struct PoolHeader {
    std::uint32_t size = 0;          ///< bytes, header included
    std::uint32_t previous_size = 0; ///< bytes; 0 for the first block of a page
    PoolTag tag;                     ///< as stored: may carry the protected bit
    bool allocated = false;
    bool paged = false;
    bool quota = false;     ///< charged to a process
    std::uint32_t type = 0; ///< the raw PoolType
};

/// Decodes headers by the layout that the symbols give.
class HeaderReader {
  public:
    static Result<HeaderReader> create(nt::Kernel& kernel);

    /// Bytes of a header; also the distance from the header to the block's body.
    [[nodiscard]] std::uint32_t header_size() const { return header_size_; }
    /// Bytes of one unit of BlockSize: 16 on 64-bit kernels, 8 on 32-bit ones.
    [[nodiscard]] std::uint32_t unit() const { return unit_; }
    [[nodiscard]] std::uint32_t page_size() const { return page_size_; }
    /// `record` holds a header at least. A walk through the pool does little else: in one place, and without branches.
    [[nodiscard]] PoolHeader read(Bytes record) const;

  private:
    /// A member as bits of one of the header's (at most two) words of 8 bytes.
    struct Bits {
        std::uint8_t word = 0;
        std::uint8_t shift = 0;
        std::uint32_t mask = 0;
        [[nodiscard]] std::uint32_t of(const std::uint64_t (&words)[2]) const {
            return static_cast<std::uint32_t>(words[word] >> shift) & mask;
        }
    };
    static constexpr std::uint32_t paged_bit = 1, in_use_bit = 2, quota_bit = 8; ///< of PoolType

    Bits previous_size_, block_size_, pool_type_, pool_tag_;
    std::uint32_t header_size_ = 0;
    std::uint32_t unit_ = 0;
    std::uint32_t page_size_ = 0;
    bool biased_type_ = false; ///< the era in which the header holds POOL_TYPE + 1
};

inline PoolHeader HeaderReader::read(Bytes record) const {
    std::uint64_t words[2] = {};
    if (header_size_ == sizeof words) {
        std::memcpy(words, record.data(), sizeof words);
    } else {
        std::memcpy(words, record.data(), sizeof words[0]);
    }
    PoolHeader header;
    header.size = block_size_.of(words) * unit_;
    header.previous_size = previous_size_.of(words) * unit_;
    header.tag = PoolTag(pool_tag_.of(words));
    header.type = pool_type_.of(words);
    // The era of POOL_TYPE + 1 keeps zero for free blocks.
    header.allocated = biased_type_ ? header.type != 0 : (header.type & in_use_bit) != 0;
    const std::uint32_t type = header.type - (biased_type_ && header.allocated ? 1 : 0);
    header.paged = (type & paged_bit) != 0;
    header.quota = header.allocated && (type & quota_bit) != 0;
    return header;
}

} // namespace poolkd::pool
