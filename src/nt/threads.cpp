#include "nt/threads.h"

#include "base/text.h"
#include "nt/list_walk.h"
#include "nt/page_roots.h"
#include "nt/record.h"

#include <algorithm>
#include <array>

namespace poolkd::nt {

namespace {

constexpr std::size_t max_threads = 1 << 16;
constexpr std::uint64_t thread_object = 6; // DISPATCHER_HEADER.Type, in every version
constexpr std::uint64_t usual_tick = 156'250;

constexpr std::array<std::string_view, 39> wait_reasons = {
    "Executive",        "FreePage",          "PageIn",           "PoolAllocation",
    "DelayExecution",   "Suspended",         "UserRequest",      "WrExecutive",
    "WrFreePage",       "WrPageIn",          "WrPoolAllocation", "WrDelayExecution",
    "WrSuspended",      "WrUserRequest",     "WrEventPair",      "WrQueue",
    "WrLpcReceive",     "WrLpcReply",        "WrVirtualMemory",  "WrPageOut",
    "WrRendezvous",     "WrKeyedEvent",      "WrTerminated",     "WrProcessInSwap",
    "WrCpuRateControl", "WrCalloutStack",    "WrKernel",         "WrResource",
    "WrPushLock",       "WrMutex",           "WrQuantumEnd",     "WrDispatchInt",
    "WrPreempted",      "WrYieldExecution",  "WrFastMutex",      "WrGuardedMutex",
    "WrRundown",        "WrAlertByThreadId", "WrDeferredPreempt"};

std::int64_t signed_byte(std::optional<std::uint64_t> value) {
    return static_cast<std::int8_t>(value.value_or(0));
}

} // namespace

std::string wait_reason_name(std::uint64_t reason) {
    return reason < wait_reasons.size() ? std::string(wait_reasons[reason]) : fmt::format("reason {}", reason);
}

std::vector<VirtAddr> running_threads(Kernel& kernel) {
    std::vector<VirtAddr> threads(kernel.target().identity().processors);
    for (std::uint32_t processor = 0; processor < threads.size(); ++processor)
        if (auto block = kernel.processor_block(processor))
            if (auto thread = kernel.read_field("_KPRCB", *block, "CurrentThread"))
                threads[processor] = kernel.machine().canonical(*thread);
    return threads;
}

Result<Thread> read_thread(Kernel& kernel, VirtAddr address, const std::vector<VirtAddr>& running) {
    POOLKD_TRY(const Record header, Record::read(kernel, "_DISPATCHER_HEADER", address, {"Type"}));
    if ((header.number("Type").value_or(thread_object) & 0x7f) != thread_object)
        return fail_at(
            address, ErrorKind::malformed,
            fmt::format("{} is not a thread object", format_address(address.value, kernel.machine().pointer_size)));
    // KTHREAD is the beginning of ETHREAD in every version.
    POOLKD_TRY(
        const Record kthread,
        Record::read(kernel, "_KTHREAD", address,
                     {"InitialStack", "StackLimit", "StackBase", "KernelStack", "TrapFrame", "State", "WaitReason",
                      "WaitMode", "Alertable", "KernelStackResident", "Teb", "Win32Thread", "Process", "Priority",
                      "BasePriority", "WaitTime", "ContextSwitches", "KernelTime", "UserTime"}));
    POOLKD_TRY(const Record ethread, Record::read(kernel, "_ETHREAD", address,
                                                  {"Cid", "StartAddress", "Win32StartAddress", "ThreadsProcess"}));
    Thread thread;
    thread.address = address;
    if (auto cid = ethread.address_of("Cid")) { // _CLIENT_ID: two pointers
        POOLKD_TRY(const VirtAddr process, kernel.read_pointer(*cid));
        POOLKD_TRY(const VirtAddr id, kernel.read_pointer(*cid + kernel.machine().pointer_size));
        thread.process_id = process.value;
        thread.id = id.value;
    }
    thread.start_address = ethread.pointer("StartAddress");
    thread.win32_start_address = ethread.pointer("Win32StartAddress");
    thread.state = static_cast<ThreadState>(kthread.number("State").value_or(0));
    thread.wait_reason = kthread.number("WaitReason").value_or(0);
    thread.user_wait = kthread.number("WaitMode").value_or(0) == 1;
    thread.alertable = kthread.number("Alertable").value_or(0) != 0;
    thread.initial_stack = kthread.pointer("InitialStack");
    thread.stack_base = kthread.pointer("StackBase");
    thread.stack_limit = kthread.pointer("StackLimit");
    thread.kernel_stack = kthread.pointer("KernelStack");
    thread.stack_resident = kthread.number("KernelStackResident").value_or(1) != 0;
    thread.trap_frame = kthread.pointer("TrapFrame");
    thread.teb = kthread.pointer("Teb");
    thread.win32_thread = kthread.pointer("Win32Thread");
    thread.owner = kthread.address_of("Process") ? kthread.pointer("Process") : ethread.pointer("ThreadsProcess");
    if (auto attached = kernel.process_of_thread(address)) thread.attached = *attached;
    if (!thread.owner) thread.owner = thread.attached;
    thread.priority = signed_byte(kthread.number("Priority"));
    thread.base_priority = signed_byte(kthread.number("BasePriority"));
    thread.wait_start = kthread.number("WaitTime").value_or(0);
    thread.context_switches = kthread.number("ContextSwitches").value_or(0);
    thread.kernel_ticks = kthread.number("KernelTime").value_or(0);
    thread.user_ticks = kthread.number("UserTime").value_or(0);
    if (const auto at = std::ranges::find(running, address); at != running.end())
        thread.processor = static_cast<std::uint32_t>(at - running.begin());
    return thread;
}

Result<Answer<std::vector<Thread>>> list_threads(Kernel& kernel, VirtAddr process, const std::vector<VirtAddr>& running,
                                                 Work& work) {
    POOLKD_TRY(const Layout* kprocess, kernel.layout("_KPROCESS"));
    POOLKD_TRY(const Layout* kthread, kernel.layout("_KTHREAD"));
    POOLKD_TRY(const std::uint32_t head, kprocess->offset("ThreadListHead"));
    POOLKD_TRY(const std::uint32_t links, kthread->offset("ThreadListEntry"));
    Answer<std::vector<Thread>> answer;
    Coverage unread;
    answer.coverage =
        walk_list(kernel.memory(), kernel.machine(), process + head, max_threads, work, [&](VirtAddr link) {
            auto thread = read_thread(kernel, link - links, running);
            if (thread) {
                unread.add_read(kthread->size());
                answer.value.push_back(*std::move(thread));
            } else {
                const bool readable = thread.error().kind == ErrorKind::malformed;
                unread.add_gap(readable ? GapReason::malformed : GapReason::unmapped, link - links, kthread->size());
            }
        });
    answer.coverage.merge(unread);
    return answer;
}

Ticks read_ticks(Kernel& kernel) {
    // KUSER_SHARED_DATA (ntddk.h): TickCount, before Windows 2003 TickCountLow.
    const VirtAddr shared = shared_data_address(kernel.machine());
    Ticks ticks;
    ticks.now = memory::read_unsigned(kernel.memory(), shared + 0x320, 4).value_or(0);
    if (ticks.now == 0) ticks.now = memory::read_unsigned(kernel.memory(), shared, 4).value_or(0);
    ticks.length = kernel.read_global("KeMaximumIncrement", 4).value_or(usual_tick);
    return ticks;
}

} // namespace poolkd::nt
