#pragma once

#include "base/machine.h"
#include "base/work.h"
#include "memory/memory.h"

#include <cstddef>
#include <functional>

namespace poolkd::nt {

/// Follows a LIST_ENTRY ring from its head; `visit` gets the address of each entry. Where the way forward ends early
/// (an entry that cannot be read, one seen before, an address that is none), the rest is taken backward from the head,
/// and the break is a gap of the coverage. At most `limit` entries.
Coverage walk_list(memory::AddressSpace& memory, const Machine& machine, VirtAddr head, std::size_t limit, Work& work,
                   const std::function<void(VirtAddr)>& visit);

} // namespace poolkd::nt
