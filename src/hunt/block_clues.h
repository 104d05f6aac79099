#pragma once

#include "base/work.h"
#include "hunt/clues.h"
#include "nt/kernel.h"

#include <span>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// How much is looked at.
struct BlockLimits {
    std::size_t samples = 64;                       ///< blocks of a tag whose content is read
    std::size_t list_steps = 128;                   ///< that a list or chain is followed
    std::uint64_t data_bytes = 8u << 20;            ///< of modules' variables
    std::size_t kept_blocks = std::size_t{1} << 20; ///< of a tag, whose places are kept
};

struct BlockFindings {
    std::vector<BlockClues> tags;         ///< in the order of the keys
    std::vector<std::string> not_visible; ///< sentences
    Coverage coverage;
    bool cut_off = false; ///< the work was stopped
};

/// Walks the pool once for all of the tags, then reads samples of their blocks and looks which variables of modules
/// lead to them. Errors: those of `pool::walk_blocks`.
Result<BlockFindings> find_block_clues(nt::Kernel& kernel, std::span<const TagKey> keys,
                                       std::span<const ClueModule> modules, const BlockLimits& limits, Work& work);

/// Who still holds the blocks, in a sentence; empty when it was not looked for.
[[nodiscard]] std::string holders_text(const BlockClues& blocks);

} // namespace poolkd::hunt
