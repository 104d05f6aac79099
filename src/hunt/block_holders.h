#pragma once

#include "hunt/block_clues.h"
#include "hunt/block_places.h"

#include <string_view>

namespace poolkd::hunt {

/// A variable of the kernel whose words tell nothing of who holds what: the debugger's own buffers, through which all
/// goes that it reads, and stacks, where old words lie on.
[[nodiscard]] bool is_passing_data(std::string_view kernel_variable);
/// The same of all variables of an image: kdcom.dll and its like carry what the debugger reads.
[[nodiscard]] bool is_debug_transport(std::string_view image);

/// Looks through the variables of all modules for words that lead to the blocks, and follows lists and chains from
/// there.
void find_holders(nt::Kernel& kernel, const BlockPlaces& places, std::span<const ClueModule> modules,
                  const BlockLimits& limits, Work& work, BlockFindings& findings);

} // namespace poolkd::hunt
