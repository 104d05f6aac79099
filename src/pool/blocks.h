#pragma once

#include "base/coverage.h"
#include "pool/big_pages.h"
#include "pool/header.h"
#include "pool/ranges.h"

#include <functional>
#include <vector>

namespace poolkd::pool {

/// One piece of pool, in use or free.
struct PoolBlock {
    VirtAddr address;       ///< of the header; of the block itself when it is big
    VirtAddr body;          ///< what the driver was given
    std::uint64_t size = 0; ///< bytes, header included
    std::uint32_t previous_size = 0;
    PoolTag tag; ///< as stored: may carry the protected bit
    bool allocated = true;
    PoolKind kind = PoolKind::nonpaged;
    bool big = false;
    bool quota = false;
};

/// A big allocation as a block: it has no header, so block and body begin at the same place.
PoolBlock block_of(const BigPage& page);

/// The blocks of one page, when it is a page of small blocks: headers that chain from its start to its end, each
/// agreeing with its neighbour on its size. Empty for any other page.
std::vector<PoolBlock> parse_page(const HeaderReader& reader, VirtAddr page, Bytes bytes);

/// Where the chain of a page of blocks breaks, for a page that should be one.
struct ChainBreak {
    VirtAddr at;
    std::string why;
};
std::vector<PoolBlock> parse_page_until_break(const HeaderReader& reader, VirtAddr page, Bytes bytes,
                                              std::optional<ChainBreak>& broken);

struct WalkOptions {
    bool nonpaged = true;
    bool paged = true;
    bool big = true;   ///< blocks of the big-page table
    bool small = true; ///< blocks with headers
    /// Of which tags, as they are stored; empty: all. Asked by several threads at once.
    std::function<bool(PoolTag)> wanted = {};
};

struct WalkSummary {
    std::vector<PoolRange> ranges;
    VirtAddr big_table, big_table_end;
    std::uint64_t pages_of_blocks = 0;
    std::uint64_t other_pages = 0;  ///< present, neither big nor a page of small blocks
    std::uint64_t absent_pages = 0; ///< paged out or in transition
    std::uint64_t empty_pages = 0;  ///< reserved, never written
    std::uint64_t big_bytes = 0;    ///< skipped, since the table describes them
    bool heap_backed = false;       ///< small blocks lie in segment heaps, which are not read
    VirtAddr reached;               ///< where a stopped walk had got to
};

/// Told before each part of the walk, so that what is found can be shown under its heading.
using WalkPart = std::function<void(std::optional<PoolRange> range, const WalkSummary&)>;

/// Visits every block once: first the big-page table, then the ranges in address order, each page read once. Errors
/// only when nothing could be walked at all; otherwise the coverage tells what was missing.
Result<Answer<WalkSummary>> walk_blocks(nt::Kernel& kernel, const WalkOptions& options, Work& work,
                                        const std::function<void(const PoolBlock&)>& visit, const WalkPart& part = {});

} // namespace poolkd::pool
