#pragma once

#include "nt/threads.h"

namespace poolkd::nt {

/// The registers with which a thread goes on: of one that runs those of its processor; else what the switch to another
/// thread left on its stack, which is the place, the stack pointer and the frame pointer. The rest is zero: unwinding
/// gives what the callers need of it.
Result<RegisterFile> thread_registers(Kernel& kernel, const Thread& thread);

/// The registers that a trap interrupted, from a _KTRAP_FRAME. On x64 the trap handlers do not store all of the
/// non-volatile ones.
Result<RegisterFile> trap_frame_registers(Kernel& kernel, VirtAddr frame);

/// The registers in a CONTEXT record. Kind `malformed`: its flags are those of no CONTEXT of this machine.
Result<RegisterFile> context_record_registers(Kernel& kernel, VirtAddr record);

} // namespace poolkd::nt
