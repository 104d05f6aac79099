#pragma once

#include "nt/kernel.h"

namespace poolkd::pool {

/// Fails for a small memory dump, which has neither the pool nor its tables: kind `unsupported`, with what the dump
/// does say of pool and how to get one that has it. `what` is what was asked for: "The counters of the tags".
Result<void> require_pool_memory(nt::Kernel& kernel, std::string_view what);

} // namespace poolkd::pool
