#pragma once

#include "hunt/snapshot.h"

namespace poolkd::hunt {

/// Kernels keep 32-bit counters up to Windows 10 1703, and `SystemPoolTagInformation` hands out 32 bits of any
/// (public symbols; phnt): they wrap. A counter that fell from the upper half of 32 bits into the lower one may have.
[[nodiscard]] bool may_have_wrapped(std::uint64_t before, std::uint64_t after);

/// How far a counter went from one snapshot to the next of the same boot.
[[nodiscard]] std::uint64_t advance(std::uint64_t before, std::uint64_t after);

/// Blocks in use by these counts; right also when one of two 32-bit counters has wrapped more often than the other.
[[nodiscard]] std::int64_t blocks_in_use(const TagCounts& counts);

/// True when the machine was restarted between the two: its uptime fell, or counters did that cannot have wrapped.
[[nodiscard]] bool restarted_between(const Snapshot& before, const Snapshot& after);

} // namespace poolkd::hunt
