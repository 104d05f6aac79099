#pragma once

#include "nt/kernel.h"

#include <span>
#include <string>

namespace poolkd::control {

/// Code in which a thread holds a tag that it took from its instruction, until the call that gets it has returned.
struct TagWindow {
    VirtAddr first; ///< behind the constant
    VirtAddr last;  ///< where the call returns to
    /// Only until the call is made: a thread in the routine that is called does not count.
    bool until_called = false;
};

/// A thread that may be about to allocate under such a tag, in half a sentence; empty when none is. Such a block is in
/// no counter yet. Looked at are the processors and all threads with a stack in memory; a kernel whose threads cannot
/// be listed is judged by its processors. A processor or a preempted thread that cannot be read counts as one with a
/// tag, and so does a look at the threads that the user or the line cut off.
std::string allocation_in_flight(nt::Kernel& kernel, std::span<const TagWindow> windows, Work& work);

/// Likewise a thread that may be about to free under such a tag. One that is in the kernel's own routine does no harm:
/// it has its block already.
std::string release_in_flight(nt::Kernel& kernel, std::span<const TagWindow> windows, Work& work);

} // namespace poolkd::control
