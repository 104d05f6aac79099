#pragma once

#include "base/bytes.h"

#include <cstddef>

namespace poolkd::dumps {

/// Lets a mapped file become shorter, or its disk fail, without ending the program. The kernel answers a touch of such
/// a page with SIGBUS; the guard puts zeros in its place and from then on says that the mapping is not intact. Whoever
/// read from it asks after the read, and goes to the file itself when it is not.
class MappingGuard {
  public:
    /// `mapping` as mmap gave it. Must be gone before munmap.
    explicit MappingGuard(Bytes mapping);
    ~MappingGuard();
    MappingGuard(const MappingGuard&) = delete;
    MappingGuard& operator=(const MappingGuard&) = delete;

    /// False when there were more mappings at once than can be guarded.
    [[nodiscard]] bool guards() const { return slot_ < most_mappings; }
    [[nodiscard]] bool intact() const;

    static constexpr std::size_t most_mappings = 64;

  private:
    std::size_t slot_ = most_mappings;
};

} // namespace poolkd::dumps
