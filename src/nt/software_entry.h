#pragma once

#include "memory/paged_space.h"

#include <cstdint>
#include <optional>
#include <string>

namespace poolkd::nt {

/// The page of an entry in transition (_MMPTE_TRANSITION): taken out of the tables, but still in memory, unchanged.
/// Nothing for all other entries. Only the memory itself can be asked: the kernel's debugger does not go there.
[[nodiscard]] std::optional<PhysAddr> transition_page(const memory::PagingMode& mode, std::uint64_t entry);

/// Where the page is of an entry that the processor does not use, or why it is in no memory.
[[nodiscard]] memory::SoftwarePage software_page(const memory::PagingMode& mode, std::uint64_t entry);

/// What an entry of a small page that the processor does not use says of the page: "in transition (pfn 1234)", "in a
/// page file", "demand zero", … Which page file and where in it differs between versions with the same build number
/// (public symbols of _MMPTE), so it is not said.
[[nodiscard]] std::string software_entry_text(const memory::PagingMode& mode, std::uint64_t entry);

} // namespace poolkd::nt
