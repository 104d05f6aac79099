#pragma once

#include "hunt/clues.h"

#include <optional>

namespace poolkd::hunt {

/// The call site that a stack of the allocator comes from.
struct StackSite {
    std::size_t module = 0;                  ///< index in the modules
    const code::PoolSite* indexed = nullptr; ///< null: the index has no such site
    std::uint32_t return_rva = 0;
    std::string function; ///< of the frame: its text without module and displacement
    std::string source;
};

/// Looks through the allocator, wrappers, and the kernel's and class libraries' routines that allocate for their
/// caller, to the driver that asked. A function that jumped to the allocator has no frame: `targets` (null: not known)
/// tell that it was called. Nothing: no frame lies in a module.
[[nodiscard]] std::optional<StackSite> site_of_stack(const TraceStack& stack, PoolTag tag,
                                                     std::span<const ClueModule> modules,
                                                     const CallTargets* targets = nullptr);

} // namespace poolkd::hunt
