#pragma once

#include "dumps/crash_header.h"
#include "dumps/placement.h"

#include <vector>

namespace poolkd::dumps {

/// The whole pages that are there, as runs in the order of their addresses.
[[nodiscard]] std::vector<PageRun> page_runs(const Placement<PhysAddr>& placement);

/// Sorted, without overlaps and empty ones; runs that touch are one.
[[nodiscard]] std::vector<PageRun> in_order(std::vector<PageRun> runs);

} // namespace poolkd::dumps
