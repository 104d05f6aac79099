#pragma once

#include "base/coverage.h"
#include "base/tag.h"
#include "nt/kernel.h"

#include <cstdint>
#include <vector>

namespace poolkd::pool {

/// An allocation of a page or more: it has no header, only an entry of the kernel's big-page table.
struct BigPage {
    VirtAddr address;
    PoolTag tag; ///< as stored: may carry the protected bit
    std::uint64_t bytes = 0;
    bool paged = false;
    std::uint32_t type = 0;  ///< the raw PoolType; 0 where the table has none
    bool kind_known = false; ///< false: the table has no type, and the address lies in no pool that is known
};

struct BigPageTable {
    VirtAddr table;
    VirtAddr end;
    std::vector<BigPage> live; ///< by address
};

/// Reads PoolBigPageTable whole. Freed slots are left out.
Result<Answer<BigPageTable>> read_big_pages(nt::Kernel& kernel, Work& work);

} // namespace poolkd::pool
