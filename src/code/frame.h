#pragma once

#include "code/registers.h"
#include "symbols/frame_record.h"

#include <optional>
#include <string_view>
#include <vector>

namespace poolkd::code {

/// How the caller of a frame was found.
enum class UnwindMethod {
    none,          ///< it was not
    unwind_info,   ///< by the codes of .xdata
    prolog,        ///< by what the prolog had done so far
    epilog,        ///< by what the epilog still had to do
    leaf,          ///< a function without unwind record: the return address lies at the stack pointer
    machine_frame, ///< the processor's own record of a trap or interrupt
    frame_record,  ///< by the FPO record or frame program of the symbols
    frame_pointer, ///< ebp points to the caller's ebp
    scan,          ///< a guess: the next word on the stack that a call can have pushed
};
std::string_view to_words(UnwindMethod method);

/// The registers one frame up.
struct CallerState {
    GeneralRegisters registers;
    UnwindMethod method = UnwindMethod::none;
    /// Where the words lie that kd shows as arguments: the home slots on x64, what was pushed on x86.
    VirtAddr arguments;
    /// Where the processor (or who imitates it) pushed the instruction pointer, cs, flags, and on x64 always the stack.
    std::optional<VirtAddr> machine_frame;
};

enum class FrameWarning {
    none,
    no_module,      ///< the address lies in no loaded module
    no_unwind_info, ///< nothing tells how the function uses the stack, or what does cannot be used
};

/// One function that is not over yet.
struct Frame {
    VirtAddr ip;             ///< the next instruction; of a caller: the one behind the call
    VirtAddr sp;             ///< stack pointer there (kd's Child-SP)
    VirtAddr base;           ///< kd's ChildEBP: right below the return address. x86 only
    VirtAddr return_address; ///< 0 when there is no caller or it was not found
    /// The home slots of the four register arguments on x64, the first three words of arguments on x86; empty when they
    /// cannot be read. Often stale: the callee may use them as it likes.
    std::vector<std::uint64_t> arguments;
    GeneralRegisters registers;
    bool interrupted = false; ///< registers and `ip` are exact: the top frame, or one that a trap interrupted
    UnwindMethod method = UnwindMethod::none;     ///< how the caller was found
    std::optional<VirtAddr> machine_frame;        ///< of a trap handler: where the processor pushed its state
    std::optional<symbols::FrameRecord> record{}; ///< what the symbols say of the function's frame; x86 only
    FrameWarning warning = FrameWarning::none;
};

} // namespace poolkd::code
