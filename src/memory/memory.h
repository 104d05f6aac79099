#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/coverage.h"
#include "base/error.h"
#include "base/work.h"

#include <cstdint>
#include <optional>
#include <string>

namespace poolkd::memory {

/// What a read gave: `bytes` good bytes from the start of the request, and why it ended there if it is short.
struct ReadResult {
    std::size_t bytes = 0;
    std::optional<GapReason> gap = std::nullopt; ///< set exactly when `bytes` is less than was asked for
};

/// Reads stop at the first byte that cannot be had. A read of nothing succeeds.
class PhysicalMemory {
  public:
    virtual ~PhysicalMemory() = default;
    virtual ReadResult read(PhysAddr address, MutableBytes out) = 0;
    /// The same in place, without a copy: 1 to `wanted` bytes from `address` on, fewer where their neighbours lie
    /// elsewhere. Empty where there are none, and for memory that can only be read (a link). Good as long as the
    /// memory.
    virtual Bytes view(PhysAddr /*address*/, std::size_t /*wanted*/) { return {}; }
};

/// A virtual view of a target's memory: through page tables of our own reading, or as the link gives it.
class AddressSpace {
  public:
    virtual ~AddressSpace() = default;
    /// Reads up to the first hole. `work` may stop a long read between two requests (gap `stopped`).
    virtual ReadResult read(VirtAddr address, MutableBytes out, Work* work = nullptr) = 0;
    /// The same in place, without a copy: 1 to `wanted` bytes from `address` on, fewer where their neighbours lie
    /// elsewhere. Empty where there are none, and for memory that can only be read. Good as long as the memory.
    virtual Bytes view(VirtAddr /*address*/, std::size_t /*wanted*/) { return {}; }
    /// Bytes of a pointer there: how wide its addresses are written.
    [[nodiscard]] virtual unsigned pointer_size() const { return 8; }
};

/// All of the bytes, or an Error (kind `unreadable`, or `link`/`stopped`) naming the first address that failed.
Result<void> read_exact(AddressSpace& space, VirtAddr address, MutableBytes out, Work* work = nullptr);
Result<ByteVector> read_exact(AddressSpace& space, VirtAddr address, std::size_t size, Work* work = nullptr);

/// A little-endian unsigned integer of 1, 2, 4 or 8 bytes.
Result<std::uint64_t> read_unsigned(AddressSpace& space, VirtAddr address, unsigned size);

/// As much as possible of a range: holes are skipped page by page, filled with zeros and told in the coverage.
/// `page_size` must be a power of two.
Answer<ByteVector> read_sparse(AddressSpace& space, VirtAddr address, std::size_t size, std::uint32_t page_size,
                               Work* work = nullptr);

/// Bytes up to but not including the first NUL; at most `limit`, cut there.
Result<std::string> read_c_string(AddressSpace& space, VirtAddr address, std::size_t limit);

} // namespace poolkd::memory
