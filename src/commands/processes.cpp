#include "commands/processes.h"

#include "base/text.h"
#include "debugger/session.h"
#include "nt/shared_data.h"
#include "nt/thread_registers.h"
#include "render/coverage.h"
#include "render/process.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;
using render::ProcessReport;
using render::ThreadReport;

namespace {

/// The bits of kd's flags.
constexpr std::uint64_t show_times = 1, show_threads = 2, show_stacks = 4, show_no_arguments = 8;

render::Clocks read_clocks(Session& session) {
    render::Clocks clocks;
    clocks.ticks = nt::read_ticks(session.kernel());
    auto shared = nt::read_shared_data(session.kernel().memory(), session.kernel().machine());
    if (shared) clocks.time = shared->system_time;
    return clocks;
}

render::ThreadStack stack_of(Session& session, const nt::Thread& thread, bool arguments) {
    render::ThreadStack stack;
    auto registers = nt::thread_registers(session.kernel(), thread);
    if (!registers) {
        stack.note = registers.error().message;
        return stack;
    }
    const code::WalkOptions options{.max_frames = session.display().stack_frames, .arguments = arguments};
    stack.trace = code::walk_stack(session.kernel(), *registers, options, &session.work());
    stack.names = code::name_frames(session.kernel(), stack.trace.value);
    return stack;
}

ThreadReport thread_report(Session& session, nt::Thread thread, const std::string& owner, std::uint64_t flags,
                           bool arguments) {
    ThreadReport report;
    report.owner = owner;
    if (thread.attached == thread.owner) {
        report.attached = owner;
    } else if (auto attached = nt::read_process(session.kernel(), thread.attached)) {
        report.attached = attached->name;
    }
    if (thread.start_address) report.start_name = session.symbol_text(thread.start_address);
    if (thread.win32_start_address) report.win32_start_name = session.symbol_text(thread.win32_start_address);
    if ((flags & show_stacks) != 0 && (flags & show_threads) != 0) report.stack = stack_of(session, thread, arguments);
    report.thread = std::move(thread);
    return report;
}

void tell_coverage(Session& session, const Coverage& coverage) {
    if (!coverage.complete()) session.print("{}\n", coverage.sentence());
}

/// With its threads, where the flags ask for them.
Result<ProcessReport> process_report(Session& session, nt::Process process, const std::vector<VirtAddr>& running,
                                     std::uint64_t flags, bool arguments) {
    ProcessReport report;
    if ((flags & (show_threads | show_stacks)) != 0) {
        POOLKD_TRY(auto threads, nt::list_threads(session.kernel(), process.address, running, session.work()));
        report.coverage = std::move(threads.coverage);
        report.threads.emplace();
        for (nt::Thread& thread : threads.value) {
            if (session.work().stop_requested()) {
                report.coverage.add_gap(GapReason::stopped, thread.address, 0);
                break;
            }
            report.threads->push_back(thread_report(session, std::move(thread), process.name, flags, arguments));
        }
    }
    report.process = std::move(process);
    return report;
}

/// Which processes `!process` shows and how.
struct Request {
    std::vector<nt::Process> processes;
    Coverage coverage;
    std::uint64_t flags = 0;
    bool all = false;
    std::string image; ///< of `all` those whose names match
    std::optional<std::uint64_t> session;
};

/// By the address of the object or by its id.
Result<nt::Process> find_process(Session& session, std::uint64_t given, bool tell) {
    const VirtAddr address = session.kernel().machine().canonical(given);
    if (address >= first_system_address) return nt::read_process(session.kernel(), address);
    if (tell) session.print("Searching for Process with Cid == {:x}\n", given);
    POOLKD_TRY(auto listed, nt::list_processes(session.kernel(), session.work()));
    for (nt::Process& process : listed.value)
        if (process.id == given) return std::move(process);
    return fail(ErrorKind::not_found, "There is no process with the id {:x}{}", given,
                listed.coverage.complete() ? "" : ". " + listed.coverage.sentence());
}

Result<Request> take_request(Session& session, Arguments& arguments) {
    constexpr std::uint64_t current = ~std::uint64_t{0};
    Request request;
    if (arguments.take_option("s")) {
        POOLKD_TRY(request.session, session.expression(arguments));
    }
    std::uint64_t given = request.session ? 0 : current;
    if (!arguments.done()) {
        POOLKD_TRY(given, session.expression(arguments));
    }
    request.flags = given == 0 || given == current ? 0x3 : 0xf; // kd's defaults
    if (!arguments.done()) {
        POOLKD_TRY(request.flags, session.expression(arguments));
    }
    if (!arguments.done()) request.image = arguments.text();
    POOLKD_CHECK(session.no_more(arguments));
    request.all = given == 0;
    if (request.all) {
        POOLKD_TRY(auto listed, nt::list_processes(session.kernel(), session.work()));
        request.processes = std::move(listed.value);
        request.coverage = std::move(listed.coverage);
        return request;
    }
    if (given == current) {
        POOLKD_TRY(const VirtAddr address, session.current_process());
        given = address.value;
    }
    POOLKD_TRY(nt::Process process, find_process(session, given, !arguments.json));
    request.processes.push_back(std::move(process));
    return request;
}

bool is_wanted(const Request& request, const nt::Process& process) {
    if (request.session && process.session != request.session) return false;
    return request.image.empty() || wildcard_match(request.image, process.name);
}

void show_process(Session& session, const ProcessReport& report, const render::Clocks& clocks, std::uint64_t flags) {
    const Machine& machine = session.kernel().machine();
    session.write(render::process_text(report.process, machine, clocks, (flags & show_times) != 0));
    if (report.threads) {
        const bool details = (flags & show_threads) != 0;
        const render::ThreadView view{.indent = 8, .details = details, .arguments = (flags & show_no_arguments) == 0};
        session.write("\n");
        for (const ThreadReport& thread : *report.threads) {
            session.write(render::thread_text(thread, machine, clocks, view));
            if (details) session.write("\n");
        }
        tell_coverage(session, report.coverage);
    }
    session.write("\n");
}

Result<void> run_process(Session& session, Arguments& arguments) {
    POOLKD_TRY(Request request, take_request(session, arguments));
    const render::Clocks clocks = read_clocks(session);
    const std::vector<VirtAddr> running = nt::running_threads(session.kernel());
    const bool with_arguments = (request.flags & show_no_arguments) == 0 || arguments.json;
    if (request.all && !arguments.json) session.write("**** NT ACTIVE PROCESS DUMP ****\n");
    nlohmann::json json{{"processes", nlohmann::json::array()}, {"coverage", render::to_json(request.coverage)}};
    bool shown = false;
    for (nt::Process& process : request.processes) {
        if (!is_wanted(request, process)) continue;
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped");
        POOLKD_TRY(ProcessReport report,
                   process_report(session, std::move(process), running, request.flags, with_arguments));
        shown = true;
        if (arguments.json) {
            json["processes"].push_back(render::process_json(report));
        } else {
            show_process(session, report, clocks, request.flags);
        }
    }
    if (arguments.json) {
        session.write_json(std::move(json));
        return {};
    }
    tell_coverage(session, request.coverage);
    if (!shown && !request.image.empty()) session.print("No process is of the image {}\n", request.image);
    return {};
}

Result<void> run_thread(Session& session, Arguments& arguments) {
    VirtAddr address;
    constexpr std::uint64_t current = ~std::uint64_t{0};
    std::uint64_t given = current, flags = show_threads | show_stacks;
    (void)arguments.take_option("p"); // also the owner, which the details name
    if (arguments.take_option("t"))
        return fail(ErrorKind::unsupported, "Threads are shown by address; !process 0 4 lists them with their ids");
    if (!arguments.done()) {
        POOLKD_TRY(given, session.expression(arguments));
    }
    if (!arguments.done()) {
        POOLKD_TRY(flags, session.expression(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    if (given == current || given == 0) {
        POOLKD_TRY(address, session.current_thread());
    } else {
        address = session.kernel().machine().canonical(given);
    }
    const std::vector<VirtAddr> running = nt::running_threads(session.kernel());
    POOLKD_TRY(nt::Thread thread, nt::read_thread(session.kernel(), address, running));
    const auto owner = nt::read_process(session.kernel(), thread.owner);
    const bool with_arguments = (flags & show_no_arguments) == 0 || arguments.json;
    const ThreadReport report =
        thread_report(session, std::move(thread), owner ? owner->name : std::string(), flags, with_arguments);
    if (arguments.json) {
        session.write_json(nlohmann::json{{"thread", render::thread_json(report)}});
        return {};
    }
    const render::ThreadView view{
        .indent = 0, .details = (flags & show_threads) != 0, .arguments = (flags & show_no_arguments) == 0};
    session.write(render::thread_text(report, session.kernel().machine(), read_clocks(session), view));
    return {};
}

} // namespace

void add_process_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"!process"},
        .family = "Processes",
        .summary = "show processes, with their threads and stacks",
        .syntax = "!process [/s <session>] [<address or id> | 0 | -1] [<flags> [<image>]]",
        .help = "0 shows all processes (of the image, which may have * and ?), -1 or nothing the current one. Flags: "
                "1 times and priority, 2 threads with what they wait for, 4 a line for each thread, with 2 its stack "
                "(!process 0 7: all stacks of the system), 8 stacks without arguments. 10 changes nothing: .process "
                "chooses whose memory user addresses are. A list that is broken is followed from both ends, and the "
                "answer says what is missing.",
        .json = true,
        .run = run_process,
    });
    table.add(Command{
        .names = {"!thread"},
        .family = "Processes",
        .summary = "show a thread and its stack",
        .syntax = "!thread [<address> [<flags>]]",
        .help = "The current thread without an address. Flags (6): 2 what it waits for, 4 with 2 its stack, 8 stacks "
                "without arguments.",
        .json = true,
        .run = run_thread,
    });
}

} // namespace poolkd::commands
