#pragma once

#include "hunt/trace.h"

#include <span>
#include <string>
#include <string_view>

namespace poolkd::hunt {

/// What a stop in the allocator does, by the functions on the stack.
struct AllocatorFrames {
    HitKind kind = HitKind::unknown;
    std::size_t caller = 0; ///< index of the first frame that is not the allocator's
};

/// What a function of the kernel has to do with the pool; by its name alone.
enum class PoolRole { none, allocates, frees, tracks_allocation, tracks_free, stops };
[[nodiscard]] PoolRole pool_role(std::string_view function);

/// Reads the kind of a hit off the innermost frames: "nt!ExAllocateHeapPool+0x1d2" and so on. A stop may be the
/// allocator's own int 3 or in DbgBreakPoint, and the routine that meets the tag differs: the allocator itself in
/// Windows, ExpInsertPoolTracker and ExpRemovePoolTracker in ReactOS. The outermost routine of the pool decides, since
/// allocating may free a block of the pool's own, and the other way round.
[[nodiscard]] AllocatorFrames allocator_frames(std::span<const std::string> sites);

/// Index of the allocator's innermost frame: those before it are how the kernel stops (DbgBreakPoint). 0 where the
/// stack shows no allocator.
[[nodiscard]] std::size_t allocator_begin(const TraceStack& stack);

/// "ExAllocatePoolWithTag" of "nt!ExAllocatePoolWithTag+0x168"; empty for what is not the kernel's.
[[nodiscard]] std::string_view kernel_function(std::string_view site);

} // namespace poolkd::hunt
