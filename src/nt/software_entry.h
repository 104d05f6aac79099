#pragma once

#include "memory/page_walk.h"

#include <cstdint>
#include <optional>

namespace poolkd::nt {

/// The page of an entry in transition (_MMPTE_TRANSITION): taken out of the tables, but still in memory, unchanged.
/// Nothing for all other entries. Only the memory itself can be asked: the kernel's debugger does not go there.
[[nodiscard]] std::optional<PhysAddr> transition_page(const memory::PagingMode& mode, std::uint64_t entry);

} // namespace poolkd::nt
