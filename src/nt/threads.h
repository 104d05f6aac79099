#pragma once

#include "base/work.h"
#include "nt/kernel.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::nt {

/// KTHREAD_STATE; the numbers are the same in all versions.
enum class ThreadState : std::uint8_t {
    initialized,
    ready,
    running,
    standby,
    terminated,
    waiting,
    transition,
    deferred_ready,
    gate_wait,
};

/// What _ETHREAD and its _KTHREAD tell. Members that a kernel does not have are zero or nothing.
struct Thread {
    VirtAddr address;
    std::uint64_t process_id = 0, id = 0;
    ThreadState state = ThreadState::initialized;
    std::optional<std::uint32_t> processor; ///< on which it runs
    std::uint64_t wait_reason = 0;
    bool user_wait = false; ///< it waits in user mode
    bool alertable = false;
    VirtAddr start_address, win32_start_address;
    VirtAddr initial_stack, stack_base, stack_limit, kernel_stack;
    bool stack_resident = true;
    VirtAddr trap_frame;
    VirtAddr teb, win32_thread;
    VirtAddr owner;    ///< EPROCESS it belongs to
    VirtAddr attached; ///< EPROCESS whose memory it uses
    std::int64_t priority = 0, base_priority = 0;
    std::uint64_t wait_start = 0; ///< tick count
    std::uint64_t context_switches = 0;
    std::uint64_t kernel_ticks = 0, user_ticks = 0;
};

/// The threads that the processors run, by the number of the processor; 0 where that cannot be read.
std::vector<VirtAddr> running_threads(Kernel& kernel);

/// The thread object at an address; `running` as `running_threads` gave it. Kind `malformed`: there is something else.
Result<Thread> read_thread(Kernel& kernel, VirtAddr address, const std::vector<VirtAddr>& running);

/// All threads of a process, in the order of its list. An entry that cannot be read, or is no thread, is a gap of the
/// coverage. Errors: the symbols are missing.
Result<Answer<std::vector<Thread>>> list_threads(Kernel& kernel, VirtAddr process, const std::vector<VirtAddr>& running,
                                                 Work& work);

/// "DelayExecution"; a number where it has no name. Source: KWAIT_REASON of wdm.h.
std::string wait_reason_name(std::uint64_t reason);

/// The system's count of clock ticks since the start, and what one takes in units of 100 ns.
struct Ticks {
    std::uint64_t now = 0;
    std::uint64_t length = 0;
};
Ticks read_ticks(Kernel& kernel);

} // namespace poolkd::nt
