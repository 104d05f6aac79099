#pragma once

#include "pool/blocks.h"

#include <optional>

namespace poolkd::pool {

/// Looks single blocks up by the address that a driver holds: by the header before it, or in the big-page table where
/// it begins a page. A request or two each, where `look_around` reads pages and tables whole.
class BlockFinder {
  public:
    /// Without the symbols of the header there is nothing to go by (kind as `HeaderReader::create`).
    static Result<BlockFinder> create(nt::Kernel& kernel);

    /// The block in use whose body is at `body`, of whatever tag. Nothing: there is none there as far as can be told.
    [[nodiscard]] std::optional<PoolBlock> at(nt::Kernel& kernel, VirtAddr body);

    /// Bodies of blocks are multiples of this.
    [[nodiscard]] std::uint32_t unit() const { return headers_.unit(); }

  private:
    struct BigLayout {
        std::uint64_t stride = 0, scale = 1;
        nt::FieldReader va, key, size;
        std::optional<nt::FieldReader> type;
    };
    explicit BlockFinder(HeaderReader headers) : headers_(headers) {}

    [[nodiscard]] std::optional<PoolBlock> small_at(nt::Kernel& kernel, VirtAddr body) const;
    [[nodiscard]] std::optional<PoolBlock> big_at(nt::Kernel& kernel, VirtAddr body) const;

    HeaderReader headers_;
    std::optional<BigLayout> big_;
};

} // namespace poolkd::pool
