#pragma once

#include "base/coverage.h"
#include "base/tag.h"
#include "nt/kernel.h"

#include <cstdint>
#include <string>
#include <vector>

namespace poolkd::pool {

/// What the kernel has counted for one tag in one kind of pool since it booted.
struct PoolCounts {
    std::uint64_t allocs = 0;
    std::uint64_t frees = 0;
    std::int64_t bytes = 0; ///< in use; sizes of blocks, so headers and rounding are included

    /// Blocks in use.
    [[nodiscard]] std::int64_t outstanding() const { return static_cast<std::int64_t>(allocs - frees); }
    [[nodiscard]] bool touched() const { return allocs != 0 || frees != 0 || bytes != 0; }
};

struct TagUsage {
    PoolTag tag; ///< without the protected bit
    PoolCounts nonpaged;
    PoolCounts paged;
    /// The row in which the kernel counts tags that found no room in its tables: a mixture.
    bool overflow = false;
};

struct UsageTable {
    std::vector<TagUsage> tags;    ///< one a tag, in the order of the tables
    std::uint64_t table_bytes = 0; ///< that had to be read for it
    std::size_t tables = 0;        ///< global and per processor, without duplicates
    std::string inferred;          ///< how the layout of the tables was found, when not by symbols: a sentence
};

/// Sums the tracker tables of all processors and the expansion table. Errors: kind `unsupported` when the
/// kernel was booted without pool tagging (the sentence says what to do), `not_found` when there are no symbols and the
/// data do not decide either (see find_tracker).
Result<Answer<UsageTable>> read_usage(nt::Kernel& kernel, Work& work);

} // namespace poolkd::pool
