#pragma once

#include "dumps/run_table.h"

#include <cstdint>
#include <vector>

namespace poolkd::dumps {

/// Where QEMU's and VMware's machines end their low memory when they have more than fits there; what is left begins at
/// 4 GiB. A raw copy of the RAM does not say which it was: i440fx and microvm, q35 (two), old i440fx, Xen.
inline constexpr std::uint64_t low_memory_ends[] = {0xc0000000, 0x80000000, 0xb0000000, 0xe0000000, 0xf0000000};

/// The runs of a raw copy; `low_memory_end` 0: offsets are addresses.
std::vector<Run<PhysAddr>> raw_runs(std::uint64_t file_size, std::uint64_t low_memory_end);

} // namespace poolkd::dumps
