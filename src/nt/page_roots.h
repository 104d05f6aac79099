#pragma once

#include "base/machine.h"
#include "base/work.h"
#include "dumps/image_memory.h"
#include "memory/memory.h"

#include <cstdint>
#include <span>
#include <vector>

namespace poolkd::nt {

/// What may be the root of an address space's page tables.
struct PageRoot {
    const Machine* machine = nullptr;
    std::uint64_t cr3 = 0;
    std::uint64_t cr4 = 0; ///< the bit of PAE where it is that
};

struct PageRoots {
    std::vector<PageRoot> roots;
    bool limit_reached = false; ///< memory behind the last one was not looked at
};

/// Pages of an image that look like the root of NT's page tables: they name themselves among their
/// own entries (the self map), in the place where NT does that. At most `limit`, in the order of their addresses.
/// Stale pages and data can look so, too: try them. All of NT's roots serve for system addresses. `end`: where to stop.
[[nodiscard]] PageRoots find_page_roots(dumps::ImageMemory& physical, std::size_t limit, Work& work,
                                        PhysAddr end = PhysAddr(~0ull));

/// Where the low part of a machine's memory may end in a file of its RAM, which does not say it: what is left of the
/// file begins at 4 GiB then. Of `ends` those that the file is longer than, and 0: it has no such parts. `as_it_lies`
/// is the file with its offsets for addresses. Ordered by the evidence: roots of page tables behind the end that are
/// where they say they are; as given where that is the same.
[[nodiscard]] std::vector<std::uint64_t> low_memory_ends_by_evidence(dumps::ImageMemory& as_it_lies,
                                                                     std::span<const std::uint64_t> ends, Work& work);

/// Where every NT kernel maps KUSER_SHARED_DATA.
[[nodiscard]] VirtAddr shared_data_address(const Machine& machine);

/// True when the address space has KUSER_SHARED_DATA in its place, with a version in it that NT has had.
[[nodiscard]] bool has_shared_data(memory::AddressSpace& memory, const Machine& machine);

} // namespace poolkd::nt
