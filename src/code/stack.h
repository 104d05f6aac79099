#pragma once

#include "base/coverage.h"
#include "code/unwind.h"
#include "nt/kernel.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::code {

enum class FrameWarning {
    none,
    no_module,      ///< the address lies in no loaded module
    no_unwind_info, ///< a caller without unwind record, or whose record cannot be used
};

/// One function that is not over yet.
struct Frame {
    VirtAddr ip;             ///< the next instruction; of a caller: the one behind the call
    VirtAddr sp;             ///< stack pointer there (kd's Child-SP)
    VirtAddr return_address; ///< 0 when there is no caller or it was not found
    /// The home slots of the four register arguments, if they can be read. Often stale: the callee may use them as it
    /// likes.
    std::optional<std::array<std::uint64_t, 4>> arguments;
    X64Registers registers;
    bool interrupted = false; ///< registers and `ip` are exact: the top frame, or one that a trap interrupted
    UnwindMethod method = UnwindMethod::none; ///< how the caller was found
    std::optional<VirtAddr> machine_frame;    ///< of a trap handler: where the processor pushed rip
    FrameWarning warning = FrameWarning::none;
};

/// Why a stack ends where it does.
enum class StackEnd {
    complete,    ///< the outermost function: its return address is zero
    user_mode,   ///< the next code is not the kernel's
    limit,       ///< as many frames as were asked for
    unreadable,  ///< stack memory or unwind tables cannot be read
    implausible, ///< the tables or the stack contradict themselves
};

struct StackTrace {
    std::vector<Frame> frames;
    StackEnd end = StackEnd::complete;
    std::string note; ///< a sentence on an end that is not `complete`, `user_mode` or `limit`
};

struct WalkOptions {
    std::size_t max_frames = 256;
    bool arguments = true; ///< read the home slots
};

/// Follows the stack from the registers of an instruction about to run, by the unwind tables of the loaded images.
/// Reads the stack in blocks, and code only where version 1 tables do not tell whether it is an epilog. Never more than
/// `max_frames` frames. Coverage has a gap where the walk could not go on though the stack does.
/// Only x64: another machine gives an empty trace that says so.
Answer<StackTrace> walk_stack(nt::Kernel& kernel, const RegisterFile& start, const WalkOptions& options = {},
                              Work* work = nullptr);

} // namespace poolkd::code
