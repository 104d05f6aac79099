#include "pool/heap_backed.h"

namespace poolkd::pool {

bool is_heap_backed(nt::Kernel& kernel) {
    if (!kernel.address_of("ExPoolState")) return false;
    auto state = kernel.read_global("ExpHeapBackedPoolEnabledState", 4);
    return !state || *state != 0;
}

} // namespace poolkd::pool
