#pragma once

#include "base/address.h"

#include <cstdint>
#include <optional>

namespace poolkd::dumps {

/// Containers that store pages store these, whatever the processor.
inline constexpr std::uint64_t page_bytes = 4096;

/// Some bytes of memory, one after the other: at `offset` of the file, or without one: the file does not have them.
struct Piece {
    std::optional<FileOffset> offset;
    std::uint64_t bytes = 0;
};

/// Where in the file the bytes of memory lie. `Space` is PhysAddr, or VirtAddr for containers that hold virtual memory.
/// Safe to ask from several threads.
template <class Space>
class Placement {
  public:
    virtual ~Placement() = default;
    /// The piece that begins at `address`, 1 to `wanted` bytes of it (which must not be 0). Walking on by what it
    /// returns visits all memory once, holes in one step as far as `wanted` reaches.
    [[nodiscard]] virtual Piece find(Space address, std::uint64_t wanted) const = 0;
    /// The first address behind everything that is there.
    [[nodiscard]] virtual Space end() const = 0;
};

} // namespace poolkd::dumps
