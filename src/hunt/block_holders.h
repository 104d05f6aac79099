#pragma once

#include "hunt/block_clues.h"
#include "hunt/block_places.h"

namespace poolkd::hunt {

/// Looks through the variables of all modules for words that lead to the blocks, and follows lists and chains from
/// there.
void find_holders(nt::Kernel& kernel, const BlockPlaces& places, std::span<const ClueModule> modules,
                  const BlockLimits& limits, Work& work, BlockFindings& findings);

} // namespace poolkd::hunt
