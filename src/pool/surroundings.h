#pragma once

#include "base/coverage.h"
#include "pool/blocks.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::pool {

/// What pool memory shows at an address and beside it.
struct Surroundings {
    std::optional<PoolKind> region;    ///< the pool whose range holds the address
    bool ranges_known = false;         ///< of nonpaged and of paged pool; else nothing says whether it lies in them
    bool readable = false;             ///< its page
    bool big_known = false;            ///< the table of large blocks was read whole: what is not in it is none
    bool heap_backed = false;          ///< segment heaps hold small blocks: nothing but `header` is known of them
    std::vector<PoolBlock> blocks;     ///< of its page, as far as the chain of headers is whole, or the one large block
    std::optional<std::size_t> holder; ///< the one of `blocks` that holds the address
    std::optional<ChainBreak> broken;  ///< where the chain of headers breaks
    std::optional<PoolHeader> header;  ///< the one that should stand there, of a chain that breaks before it too
    /// Text in the first bytes of the header that cannot be one: what was written over it.
    std::string overwritten_with;
};

/// Reads the page of small blocks or the large block at `address`, which is a header's or a body's. Errors: none of the
/// pool's records are known (no symbols).
Result<Answer<Surroundings>> look_around(nt::Kernel& kernel, VirtAddr address, bool is_header, Work& work);

} // namespace poolkd::pool
