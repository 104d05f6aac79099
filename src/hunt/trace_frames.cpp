#include "hunt/trace_frames.h"

#include <algorithm>

namespace poolkd::hunt {

namespace {

/// Of the kernel's own, between the stop and the first routine of the pool: DbgBreakPoint and what may wrap it.
constexpr std::size_t most_before = 3;

struct Known {
    std::string_view prefix;
    PoolRole role;
};

// By the names of public symbols and of ReactOS's source. The first that fits counts.
constexpr Known known_functions[] = {
    {"ExpInsertPoolTracker", PoolRole::tracks_allocation},
    {"ExpInsertTagTracker", PoolRole::tracks_allocation},
    {"ExpAddTagForBigPages", PoolRole::tracks_allocation},
    {"ExpRemovePoolTracker", PoolRole::tracks_free},
    {"ExpRemoveTagTracker", PoolRole::tracks_free},
    {"ExpFindAndRemoveTagBigPages", PoolRole::tracks_free},
    {"ExAllocatePool", PoolRole::allocates}, // …WithTag, …WithQuotaTag, …2, …3
    {"ExAllocateHeapPool", PoolRole::allocates},
    {"ExAllocateContiguousHeapPool", PoolRole::allocates},
    {"ExAllocateFrom", PoolRole::allocates}, // lookaside lists
    {"VerifierExAllocatePool", PoolRole::allocates},
    {"VeAllocatePool", PoolRole::allocates},
    {"ExFreePool", PoolRole::frees}, // …WithTag, …2
    {"ExFreeHeapPool", PoolRole::frees},
    {"ExFreeLargePool", PoolRole::frees},
    {"ExFreeTo", PoolRole::frees},
    {"ExDeferredFreePool", PoolRole::frees},
    {"VerifierExFreePool", PoolRole::frees},
    {"VfFreePool", PoolRole::frees},
    {"DbgBreakPoint", PoolRole::stops}, // …WithStatus
    {"RtlpBreakWithStatusInstruction", PoolRole::stops},
};

} // namespace

std::string_view kernel_function(std::string_view site) {
    constexpr std::string_view kernel = "nt!";
    if (!site.starts_with(kernel)) return {};
    site.remove_prefix(kernel.size());
    return site.substr(0, site.rfind("+0x"));
}

PoolRole pool_role(std::string_view function) {
    const auto* known =
        std::ranges::find_if(known_functions, [&](const Known& k) { return function.starts_with(k.prefix); });
    if (known != std::end(known_functions)) return known->role;
    // ExpAllocateBigPool is the pool's; ExpAllocateHandleTable is one of those that take memory from it.
    if (function.find("Pool") == std::string_view::npos) return PoolRole::none;
    if (function.starts_with("ExpAllocate")) return PoolRole::allocates;
    if (function.starts_with("ExpFree")) return PoolRole::frees;
    return PoolRole::none;
}

AllocatorFrames allocator_frames(std::span<const std::string> sites) {
    AllocatorFrames result;
    PoolRole outermost = PoolRole::none;
    for (std::size_t i = 0; i < sites.size(); ++i) {
        const std::string_view function = kernel_function(sites[i]);
        if (function.empty()) break; // the allocator calls no driver
        const PoolRole role = pool_role(function);
        if (role == PoolRole::none || role == PoolRole::stops) {
            // What lies beyond the allocator may itself have been called by it: another allocation than this one.
            if (outermost != PoolRole::none || i >= most_before) break;
            continue;
        }
        outermost = role;
        result.caller = i + 1;
    }
    switch (outermost) {
    case PoolRole::allocates:
    case PoolRole::tracks_allocation: result.kind = HitKind::allocation; break;
    case PoolRole::frees:
    case PoolRole::tracks_free: result.kind = HitKind::release; break;
    case PoolRole::none:
    case PoolRole::stops: break;
    }
    return result;
}

std::size_t allocator_begin(const TraceStack& stack) {
    for (std::size_t i = 0; i < stack.caller && i < stack.frames.size(); ++i) {
        const PoolRole role = pool_role(kernel_function(stack.frames[i].text));
        if (role != PoolRole::none && role != PoolRole::stops) return i;
    }
    return 0;
}

} // namespace poolkd::hunt
