#pragma once

#include "nt/kernel.h"

namespace poolkd::pool {

/// Whether small blocks lie in segment heaps, whose structures tell what is in use, and not in pages of headers. Told
/// by the symbols and, where a kernel has both, by its switch.
bool is_heap_backed(nt::Kernel& kernel);

} // namespace poolkd::pool
