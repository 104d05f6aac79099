#pragma once

#include "base/coverage.h"
#include "code/frame.h"
#include "nt/kernel.h"

#include <string>
#include <vector>

namespace poolkd::code {

/// Why a stack ends where it does.
enum class StackEnd {
    complete,    ///< the outermost function: its return address is zero
    user_mode,   ///< the next code is not the kernel's
    limit,       ///< as many frames as were asked for
    unreadable,  ///< stack memory or unwind tables cannot be read
    implausible, ///< the tables or the stack contradict themselves
};

struct StackTrace {
    const Machine* machine = &x64_machine(); ///< whose stack it is
    std::vector<Frame> frames;
    StackEnd end = StackEnd::complete;
    std::string note;     ///< a sentence on an end that is not `complete`, `user_mode` or `limit`
    VirtAddr asked_until; ///< behind the highest word of the stack that was looked at
};

struct WalkOptions {
    std::size_t max_frames = 256;
    bool arguments = true; ///< read the home slots
    /// Of the stack to read first, from a walk of the same kind before; 0: a kilobyte. More is read as it is needed.
    std::size_t first_bytes = 0;
};

/// How many argument words kd shows for a frame: the home slots of x64, three words on x86.
std::size_t shown_arguments(const Machine& machine);

/// Follows the stack from the registers of an instruction about to run: on x64 by the unwind tables of the loaded
/// images, on x86 by the frame records of the symbols, the code itself, and ebp (see make_unwinder). Reads the stack in
/// blocks. Never more than `max_frames` frames. Coverage has a gap where the walk could not go on though the stack
/// does. A machine whose stacks cannot be followed gives an empty trace that says so.
Answer<StackTrace> walk_stack(nt::Kernel& kernel, const RegisterFile& start, const WalkOptions& options = {},
                              Work* work = nullptr);

} // namespace poolkd::code
