#pragma once

#include "base/coverage.h"
#include "nt/kernel.h"

#include <vector>

namespace poolkd::pool {

enum class PoolKind { nonpaged, paged };

/// A part of the address space that the kernel set aside for one kind of pool; `last` is its last byte.
struct PoolRange {
    PoolKind kind = PoolKind::nonpaged;
    VirtAddr first;
    VirtAddr last;
};

/// From the kernel's variables, its records of the address space or KDBG, else from where its large allocations lie.
/// Kind `not_found` when none of them tells, `stopped`.
Result<std::vector<PoolRange>> find_ranges(nt::Kernel& kernel, Work& work);

/// A run of pages that are present, one after the other.
struct PageRun {
    VirtAddr first;
    std::uint64_t bytes = 0;
};

struct PresentPages {
    std::vector<PageRun> runs;      ///< by address
    std::uint64_t absent_pages = 0; ///< hold data that is elsewhere: in transition or in a page file
    std::uint64_t empty_pages = 0;  ///< demand zero: reserved, never written
};

/// The pages of a range that can be read, from the page tables: so that holes cost no request each.
Result<Answer<PresentPages>> find_present_pages(nt::Kernel& kernel, const PoolRange& range, Work& work);

} // namespace poolkd::pool
