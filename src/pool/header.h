#pragma once

#include "base/tag.h"
#include "nt/kernel.h"

#include <cstdint>
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
    [[nodiscard]] PoolHeader read(Bytes record) const;

  private:
    nt::FieldReader previous_size_, block_size_, pool_type_, pool_tag_;
    std::uint32_t header_size_ = 0;
    std::uint32_t unit_ = 0;
    std::uint32_t page_size_ = 0;
    bool biased_type_ = false; ///< the era in which the header holds POOL_TYPE + 1
};

} // namespace poolkd::pool
