#pragma once

#include "base/tag.h"
#include "nt/kernel.h"

#include <string>

namespace poolkd::hunt {

/// Of a tag for which nothing was seen: what the kernel's counters know of it, or of the tag that reads the other way
/// round, in a sentence; empty where they cannot be read.
[[nodiscard]] std::string tag_hint(nt::Kernel& kernel, PoolTag tag, Work& work);

} // namespace poolkd::hunt
