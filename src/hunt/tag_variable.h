#pragma once

#include "code/site_index.h"
#include "nt/kernel.h"

#include <cstdint>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// Behind the instructions that read the variable, in code order; none where that could not be looked up.
std::vector<VirtAddr> loads_of_variable(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t variable_rva,
                                        Work& work);

/// Why the tag in a variable should not be changed; empty when the only code that uses the variable is that of `sites`
/// sites, each of which loads it for its call alone.
std::string why_variable_not_patched(nt::Kernel& kernel, const code::ModuleSites& module, std::uint32_t variable_rva,
                                     std::size_t sites, Work& work);

} // namespace poolkd::hunt
