#include "control/in_flight.h"

#include "base/text.h"
#include "code/stack.h"
#include "nt/processes.h"
#include "nt/thread_registers.h"
#include "nt/threads.h"

#include <algorithm>

namespace poolkd::control {

namespace {

constexpr std::size_t looked_at_frames = 32; // an allocator lies at the inner end of a stack

/// "nt!ExAllocatePoolWithTag", "nt!ExpAllocateBig"; frees as well, which do no harm.
bool is_pool_routine(std::string_view name) {
    return name.starts_with("nt!Ex") && name.find("Pool") != std::string_view::npos;
}

/// What is looked for on stacks.
struct Wanted {
    std::span<const TagWindow> windows;
    bool pool_routines; ///< these count as well, wherever they were called
    std::string_view what;
};

bool is_in(const TagWindow& window, VirtAddr ip) {
    return ip >= window.first && (window.until_called ? ip < window.last : ip <= window.last);
}

std::string holds_a_tag(nt::Kernel& kernel, const RegisterFile& registers, const Wanted& wanted, Work& work) {
    code::WalkOptions options;
    options.max_frames = looked_at_frames;
    options.arguments = false;
    for (const code::Frame& frame : code::walk_stack(kernel, registers, options, &work).value.frames) {
        std::string name = kernel.modules().at(frame.ip).text();
        const bool taken =
            std::ranges::any_of(wanted.windows, [&](const TagWindow& window) { return is_in(window, frame.ip); });
        if (taken || (wanted.pool_routines && is_pool_routine(name)))
            return name.empty() ? format_address(frame.ip.value, kernel.machine().pointer_size) : name;
    }
    return {};
}

/// It could run, but another thread has the processor: it may have been interrupted anywhere.
bool preempted(const nt::Thread& thread) {
    return thread.state == nt::ThreadState::ready || thread.state == nt::ThreadState::standby ||
           thread.state == nt::ThreadState::deferred_ready;
}

/// It goes on one day from where its stack says, on no processor now. What has no stack in memory waits for a user.
bool is_off_processor(const nt::Thread& thread) {
    return thread.stack_resident && thread.state != nt::ThreadState::initialized &&
           thread.state != nt::ThreadState::running && thread.state != nt::ThreadState::terminated;
}

/// By the user or a broken line: what is missing is there all the same.
bool was_cut_off(const Coverage& coverage) {
    return std::ranges::any_of(coverage.gaps(), [](const Gap& gap) {
        return gap.reason == GapReason::stopped || gap.reason == GapReason::link_lost;
    });
}

bool is_passing(const Error& error) {
    return error.kind == ErrorKind::stopped || error.kind == ErrorKind::link;
}

std::string in_flight(nt::Kernel& kernel, const Wanted& wanted, Work& work) {
    target::RunControl* control = kernel.target().run_control();
    if (!control || control->running()) return {};
    for (std::uint32_t processor = 0; processor < kernel.target().identity().processors; ++processor) {
        auto registers = kernel.target().registers(processor);
        if (!registers) return fmt::format("processor {} cannot be looked at", processor);
        if (std::string where = holds_a_tag(kernel, *registers, wanted, work); !where.empty())
            return fmt::format("processor {} stands at {}, perhaps with {}", processor, where, wanted.what);
    }
    const std::string not_all = "not all threads could be looked at";
    if (work.stop_requested()) return not_all;
    auto processes = nt::list_processes(kernel, work);
    if (!processes) return is_passing(processes.error()) ? not_all : std::string();
    if (was_cut_off(processes->coverage)) return not_all;
    const std::vector<VirtAddr> running = nt::running_threads(kernel);
    std::uint64_t looked_at = 0;
    for (const nt::Process& process : processes->value) {
        auto threads = nt::list_threads(kernel, process.address, running, work);
        if (!threads) return is_passing(threads.error()) ? not_all : std::string();
        if (was_cut_off(threads->coverage)) return not_all;
        for (const nt::Thread& thread : threads->value) {
            if (work.stop_requested()) return not_all;
            work.progress("Looking at threads", ++looked_at, 0);
            if (!is_off_processor(thread)) continue;
            auto registers = nt::thread_registers(kernel, thread);
            std::string where;
            if (registers) {
                where = holds_a_tag(kernel, *registers, wanted, work);
            } else if (preempted(thread)) {
                where = "an unknown place";
            }
            if (!where.empty())
                return fmt::format("thread {:x}.{:x} goes on at {}, perhaps with {}", thread.process_id, thread.id,
                                   where, wanted.what);
        }
    }
    return work.stop_requested() ? not_all : std::string();
}

} // namespace

std::string allocation_in_flight(nt::Kernel& kernel, std::span<const TagWindow> windows, Work& work) {
    return in_flight(kernel, {windows, true, "a new tag in flight"}, work);
}

std::string release_in_flight(nt::Kernel& kernel, std::span<const TagWindow> windows, Work& work) {
    return in_flight(kernel, {windows, false, "the old tag in hand for a free"}, work);
}

} // namespace poolkd::control
