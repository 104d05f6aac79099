#pragma once

#include "code/pool_sites.h"
#include "nt/kernel.h"

#include <cstdint>
#include <string>

namespace poolkd::hunt {

/// Why the four bytes of a tag in an instruction should not be changed under running code; empty when nothing speaks
/// against it. A constant that goes straight to its call is safe: whoever has passed it already is about to make that
/// one call. One that the function keeps, in a register that calls preserve or in a variable of its own, is not: a
/// thread that is inside goes on with the old tag for as long as it stays.
std::string why_not_patched(nt::Kernel& kernel, VirtAddr module, const code::PoolSite& site);

} // namespace poolkd::hunt
