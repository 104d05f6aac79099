#include "render/process.h"

#include "render/coverage.h"
#include "render/stack.h"

#include <fmt/format.h>

#include <array>

namespace poolkd::render {

namespace {

using nt::ThreadState;

constexpr std::array<std::string_view, 9> state_words = {
    "INITIALIZED", "READY", "RUNNING", "STANDBY", "TERMINATED", "WAIT", "TRANSITION", "DEFERRED READY", "GATEWAIT"};

std::string_view state_word(ThreadState state) {
    const auto index = static_cast<std::size_t>(state);
    return index < state_words.size() ? state_words[index] : "UNKNOWN STATE";
}

/// As these commands write addresses: all digits, nothing between them.
std::string word(VirtAddr address, const Machine& machine) {
    const unsigned digits = machine.pointer_size * 2u;
    return fmt::format("{:0{}x}", digits == 8 ? address.value & 0xffffffff : address.value, digits);
}

/// hh:mm:ss.mmm of a time in 100 ns; more than a day is hours.
std::string elapsed_text(std::uint64_t time) {
    const std::uint64_t ms = time / 10'000;
    return fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, ms % 1000);
}

std::string ticks_text(std::uint64_t ticks, const Clocks& clocks) {
    return elapsed_text(ticks * clocks.ticks.length);
}

std::string state_text(const nt::Thread& thread) {
    if (thread.processor) return fmt::format("RUNNING on processor {:x}", *thread.processor);
    if (thread.state != ThreadState::waiting) return std::string(state_word(thread.state));
    return fmt::format("WAIT: ({}) {} {}", nt::wait_reason_name(thread.wait_reason),
                       thread.user_wait ? "UserMode" : "KernelMode", thread.alertable ? "Alertable" : "Non-Alertable");
}

std::string start_text(std::string_view label, VirtAddr address, const std::string& name, const Machine& machine) {
    if (!address) return {};
    const std::string at = "0x" + word(address, machine);
    return fmt::format("{} {}\n", label, name.empty() ? at : fmt::format("{} ({})", name, at));
}

std::string indented(std::string_view text, unsigned indent) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        out += std::string(indent, ' ');
        out += text.substr(0, end);
        text.remove_prefix(end);
    }
    return out;
}

std::string details_text(const ThreadReport& report, const Machine& machine, const Clocks& clocks) {
    const nt::Thread& thread = report.thread;
    const bool wide = machine.pointer_size == 8;
    const bool elsewhere = thread.attached && thread.attached != thread.owner;
    auto row = [](std::string_view label, const std::string& value, std::string_view second, const std::string& other) {
        return fmt::format("{:<25} {:<14} {} {}\n", label, value, second, other);
    };
    auto image = [](const std::string& name) { return fmt::format("{:<8}{}", "", name.empty() ? "<Unknown>" : name); };
    std::string out = row("Owning Process", word(thread.owner, machine), "      Image:", image(report.owner));
    out += row("Attached Process", elsewhere ? word(thread.attached, machine) : "N/A",
               "      Image:", elsewhere ? image(report.attached) : fmt::format("{:<8}N/A", ""));
    const std::uint64_t waited = clocks.ticks.now >= thread.wait_start ? clocks.ticks.now - thread.wait_start : 0;
    out += row("Wait Start TickCount", fmt::to_string(thread.wait_start),
               "      Ticks:", fmt::format("{} ({})", waited, ticks_text(waited, clocks)));
    out += fmt::format("{:<25} {}\n", "Context Switch Count", thread.context_switches);
    out += fmt::format("{:<25} {}\n", "UserTime", ticks_text(thread.user_ticks, clocks));
    out += fmt::format("{:<25} {}\n", "KernelTime", ticks_text(thread.kernel_ticks, clocks));
    out += start_text("Win32 Start Address", thread.win32_start_address, report.win32_start_name, machine);
    if (thread.start_address != thread.win32_start_address)
        out += start_text("Start Address", thread.start_address, report.start_name, machine);
    out += fmt::format("Stack Init {} Current {}{}Base {} Limit {} Call 0\n", word(thread.initial_stack, machine),
                       word(thread.kernel_stack, machine), wide ? "\n" : " ", word(thread.stack_base, machine),
                       word(thread.stack_limit, machine));
    out += fmt::format("Priority {} BasePriority {}\n", thread.priority, thread.base_priority);
    if (!thread.stack_resident) out += "Kernel stack not resident.\n";
    return out;
}

} // namespace

std::string process_text(const nt::Process& process, const Machine& machine, const Clocks& clocks, bool times) {
    const bool wide = machine.pointer_size == 8;
    const std::string session = process.session ? fmt::to_string(*process.session) : "none";
    std::string out = fmt::format("PROCESS {}{}SessionId: {}  Cid: {:04x}    Peb: {:08x}  ParentCid: {:04x}\n",
                                  word(process.address, machine), wide ? "\n    " : "  ", session, process.id,
                                  wide ? process.peb.value : process.peb.value & 0xffffffff, process.parent_id);
    out += fmt::format("    DirBase: {:08x}  ObjectTable: {}  HandleCount: {}\n", process.directory_base,
                       word(process.object_table, machine),
                       process.handles ? fmt::format("{:3}.", *process.handles) : "<Data Not Accessible>");
    out += fmt::format("    Image: {}\n", process.name);
    if (!times) return out;
    out += fmt::format("    VadRoot {}\n", word(process.vad_root, machine));
    if (clocks.time >= process.create_time && process.create_time != 0)
        out += fmt::format("    {:<33} {}\n", "ElapsedTime", elapsed_text(clocks.time - process.create_time));
    out += fmt::format("    {:<33} {}\n", "UserTime", ticks_text(process.user_ticks, clocks));
    out += fmt::format("    {:<33} {}\n", "KernelTime", ticks_text(process.kernel_ticks, clocks));
    if (process.base_priority) out += fmt::format("    {:<33} {}\n", "BasePriority", *process.base_priority);
    return out;
}

std::string thread_text(const ThreadReport& report, const Machine& machine, const Clocks& clocks,
                        const ThreadView& view) {
    const nt::Thread& thread = report.thread;
    std::string out =
        indented(fmt::format("THREAD {}  Cid {:04x}.{:04x}  Teb: {} Win32Thread: {} {}\n",
                             word(thread.address, machine), thread.process_id, thread.id, word(thread.teb, machine),
                             word(thread.win32_thread, machine), state_text(thread)),
                 view.indent);
    if (view.details) out += indented(details_text(report, machine, clocks), view.indent);
    if (report.stack) {
        StackView stack;
        stack.arguments = stack.notes = view.arguments;
        const std::string text = report.stack->note.empty()
                                     ? stack_text(report.stack->trace.value, report.stack->names, stack)
                                     : report.stack->note + "\n";
        out += indented(text, view.indent);
    }
    return out;
}

nlohmann::json thread_json(const ThreadReport& report) {
    const nt::Thread& thread = report.thread;
    nlohmann::json json{{"address", json_address(thread.address)},
                        {"process_id", thread.process_id},
                        {"id", thread.id},
                        {"state", thread.processor ? state_word(ThreadState::running) : state_word(thread.state)},
                        {"teb", json_address(thread.teb)},
                        {"win32_thread", json_address(thread.win32_thread)},
                        {"start_address", json_address(thread.start_address)},
                        {"start", report.start_name},
                        {"win32_start_address", json_address(thread.win32_start_address)},
                        {"win32_start", report.win32_start_name},
                        {"initial_stack", json_address(thread.initial_stack)},
                        {"stack_base", json_address(thread.stack_base)},
                        {"stack_limit", json_address(thread.stack_limit)},
                        {"kernel_stack", json_address(thread.kernel_stack)},
                        {"stack_resident", thread.stack_resident},
                        {"trap_frame", json_address(thread.trap_frame)},
                        {"owning_process", json_address(thread.owner)},
                        {"owning_process_name", report.owner},
                        {"attached_process", json_address(thread.attached)},
                        {"attached_process_name", report.attached},
                        {"priority", thread.priority},
                        {"base_priority", thread.base_priority},
                        {"wait_start_ticks", thread.wait_start},
                        {"context_switches", thread.context_switches},
                        {"user_ticks", thread.user_ticks},
                        {"kernel_ticks", thread.kernel_ticks}};
    if (thread.processor) json["processor"] = *thread.processor;
    if (thread.state == ThreadState::waiting && !thread.processor) {
        json["wait_reason"] = nt::wait_reason_name(thread.wait_reason);
        json["wait_mode"] = thread.user_wait ? "user" : "kernel";
        json["alertable"] = thread.alertable;
    }
    if (report.stack) {
        json["stack"] = report.stack->note.empty() ? stack_json(report.stack->trace, report.stack->names)
                                                   : nlohmann::json{{"note", report.stack->note}};
    }
    return json;
}

nlohmann::json process_json(const ProcessReport& report) {
    const nt::Process& process = report.process;
    nlohmann::json json{{"address", json_address(process.address)},
                        {"id", process.id},
                        {"parent_id", process.parent_id},
                        {"name", process.name},
                        {"session", nullptr},
                        {"directory_base", fmt::format("{:#x}", process.directory_base)},
                        {"peb", json_address(process.peb)},
                        {"object_table", json_address(process.object_table)},
                        {"handles", nullptr},
                        {"vad_root", json_address(process.vad_root)},
                        {"active_threads", process.active_threads},
                        {"create_time", process.create_time},
                        {"user_ticks", process.user_ticks},
                        {"kernel_ticks", process.kernel_ticks},
                        {"base_priority", nullptr}};
    if (process.session) json["session"] = *process.session;
    if (process.handles) json["handles"] = *process.handles;
    if (process.base_priority) json["base_priority"] = *process.base_priority;
    if (report.threads) {
        json["threads"] = nlohmann::json::array();
        for (const ThreadReport& thread : *report.threads)
            json["threads"].push_back(thread_json(thread));
        json["coverage"] = to_json(report.coverage);
    }
    return json;
}

} // namespace poolkd::render
