#pragma once

#include "code/site_index.h"
#include "nt/kernel.h"

#include <cstdint>
#include <string>

namespace poolkd::hunt {

/// Which code of a module the index has not seen, in a sentence; empty when it saw all. What was freed after the start
/// (INIT) will not run again and is left out.
std::string unseen_code(nt::Kernel& kernel, const code::ModuleSites& module);

/// The section that holds the place may leave memory, and comes back as it is in the file (PAGE).
bool may_be_paged(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t rva);

} // namespace poolkd::hunt
