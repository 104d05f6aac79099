#include "commands/execution.h"

#include "code/stack.h"
#include "commands/stop_text.h"
#include "debugger/session.h"

#include <charconv>

namespace poolkd::commands {

using control::StopKind;
using control::StopReport;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t max_temporary = 10; // breakpoints of one `g`

void show(Session& session, Arguments& arguments, const StopReport& report) {
    session.note_stop();
    if (arguments.json) {
        session.write_json(nlohmann::json{{"stop", stop_json(session, report)}});
    } else {
        session.write(stop_text(session, report));
    }
}

/// Shows the stop; runs and shows on while the commands of breakpoints say so. A break-in was the user's Ctrl-C unless
/// it was `planned`.
Result<void> finish(Session& session, Arguments& arguments, Result<StopReport> report, bool planned = false) {
    while (true) {
        if (!report) {
            if (report.error().kind == ErrorKind::link || report.error().kind == ErrorKind::stopped)
                session.note_stop();
            return std::unexpected(std::move(report).error());
        }
        const std::string command = report->kind == StopKind::breakpoint ? report->breakpoint_command : std::string{};
        // A breakpoint with commands that goes on by itself is silent but for them, as in kd.
        if (command.empty()) {
            show(session, arguments, *report);
            if (report->requested && !planned) session.interpreter().note_break_in();
            return {};
        }
        session.note_stop();
        const debugger::StopCommands outcome = session.interpreter().run_at_stop(command);
        if (outcome.resume.empty()) return {};
        if (!equals_ignore_case(outcome.resume, "g") && !equals_ignore_case(outcome.resume, "gc")) {
            (void)session.interpreter().run_block(outcome.resume);
            return {};
        }
        report = session.controller().go_and_wait(session.work());
    }
}

Result<double> parse_seconds(std::string_view word) {
    double seconds = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
    if (error != std::errc{} || end != word.data() + word.size() || !(seconds > 0) || seconds > 1e6)
        return fail(ErrorKind::usage, "'{}' is no number of seconds", word);
    return seconds;
}

/// `g /for 5`: the target runs that long unless something stops it, then it is broken into.
Result<StopReport> run_for(Session& session, double seconds, bool& time_is_over) {
    auto& controller = session.controller();
    const auto end = std::chrono::steady_clock::now() +
                     std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    POOLKD_CHECK(controller.go());
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= end) break;
        auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now);
        POOLKD_TRY(std::optional<StopReport> report, controller.wait_for(session.work(), left));
        if (report) return std::move(*report);
    }
    time_is_over = true;
    return controller.stop(session.work());
}

Result<void> go(Session& session, Arguments& arguments, bool handled) {
    if (session.running()) { // the user stopped waiting for it
        POOLKD_CHECK(session.no_more(arguments));
        return finish(session, arguments, session.controller().wait(session.work()));
    }
    std::optional<double> seconds;
    std::vector<VirtAddr> addresses;
    std::vector<std::uint32_t> temporary;
    auto& breakpoints = session.controller().breakpoints();
    auto drop = [&] {
        for (std::uint32_t id : temporary)
            if (breakpoints.find(id)) (void)breakpoints.remove(id);
    };
    while (!arguments.done()) {
        if (arguments.take_option("for")) {
            POOLKD_TRY(seconds, parse_seconds(arguments.word()));
            continue;
        }
        if (arguments.take("=")) {
            POOLKD_TRY(VirtAddr start, session.address(arguments));
            POOLKD_TRY(RegisterFile registers, session.registers());
            registers.set_ip(start);
            POOLKD_CHECK(session.set_registers(registers));
            continue;
        }
        if (addresses.size() == max_temporary)
            return fail(ErrorKind::usage, "g takes at most {} addresses", max_temporary);
        POOLKD_TRY(VirtAddr address, session.address(arguments));
        addresses.push_back(address);
    }
    // Only now that the whole line is understood: what is added must be dropped again.
    for (VirtAddr address : addresses) {
        control::Breakpoint breakpoint;
        breakpoint.address = address;
        breakpoint.internal = true;
        auto added = breakpoints.add(breakpoint, std::nullopt);
        if (!added) {
            drop();
            return std::unexpected(added.error());
        }
        temporary.push_back(added->id);
    }
    bool time_is_over = false;
    Result<StopReport> report =
        seconds ? run_for(session, *seconds, time_is_over) : session.controller().go_and_wait(session.work(), handled);
    drop();
    return finish(session, arguments, std::move(report), time_is_over);
}

Result<void> go_up(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(RegisterFile registers, session.registers());
    code::WalkOptions options;
    options.max_frames = 1;
    options.arguments = false;
    Answer<code::StackTrace> trace = code::walk_stack(session.kernel(), registers, options, &session.work());
    if (trace.value.frames.empty() || !trace.value.frames.front().return_address)
        return fail(ErrorKind::not_found, "The caller of this function is not known. {}", trace.value.note);
    const code::Frame& frame = trace.value.frames.front();
    return finish(session, arguments, session.controller().run_to(frame.return_address, frame.sp, session.work()));
}

Result<void> step(Session& session, Arguments& arguments, control::Step kind) {
    std::uint64_t count = 1;
    if (!arguments.done()) {
        POOLKD_TRY(count, session.expression(arguments));
        POOLKD_CHECK(session.no_more(arguments));
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        auto report = session.controller().step(kind, session.work());
        const bool arrived = report && report->kind == StopKind::step_done;
        POOLKD_CHECK(finish(session, arguments, std::move(report)));
        if (!arrived) return {}; // something else stopped the target
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped after {} steps", i + 1);
    }
    return {};
}

Result<void> reboot(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    target::RunControl* control = session.target().run_control();
    if (!control)
        return fail(ErrorKind::unsupported, "The target ({}) cannot be restarted", session.target().identity().kind);
    POOLKD_CHECK(control->reboot());
    if (!arguments.json) session.write("The target restarts; symbols are unloaded.\nWaiting to reconnect...\n");
    session.kernel().modules().drop_symbols();
    return finish(session, arguments, session.controller().wait(session.work()));
}

Command resuming(std::vector<std::string_view> names, std::string_view summary, std::string_view syntax,
                 std::string_view help, std::function<Result<void>(Session&, Arguments&)> run) {
    return {.names = std::move(names),
            .family = "Execution",
            .summary = summary,
            .syntax = syntax,
            .help = help,
            .resumes = true,
            .json = true,
            .run = std::move(run)};
}

} // namespace

void add_execution_commands(debugger::CommandTable& table) {
    Command g =
        resuming({"g"}, "let the target run until something stops it", "g [=Start] [Address ...] [/for Seconds]",
                 "Addresses are temporary breakpoints. /for breaks in after that many seconds (decimal). An int 3 that "
                 "is compiled into "
                 "the target is stepped past first. Ctrl-C breaks in. When the target runs already, g waits for it.",
                 [](Session& s, Arguments& a) { return go(s, a, true); });
    g.needs_stop = false;
    table.add(std::move(g));
    table.add(resuming({"gh"}, "run; the exception counts as handled", "gh", {},
                       [](Session& s, Arguments& a) { return go(s, a, true); }));
    table.add(resuming({"gn"}, "run; the exception goes to the target's own handlers", "gn", {},
                       [](Session& s, Arguments& a) { return go(s, a, false); }));
    table.add(resuming({"gu"}, "run until the current function returns", "gu", {}, go_up));
    table.add(resuming({"p"}, "one instruction; calls run to their end", "p [Count]", {},
                       [](Session& s, Arguments& a) { return step(s, a, control::Step::over); }));
    table.add(resuming({"t"}, "one instruction, into calls", "t [Count]", {},
                       [](Session& s, Arguments& a) { return step(s, a, control::Step::into); }));
    Command restart = resuming(
        {".reboot"}, "restart the target and wait until it stops again", ".reboot",
        "Breakpoints given by name come back when their module does; writes are gone with the old memory.", reboot);
    restart.repeat = debugger::Repeat::never;
    table.add(std::move(restart));
}

} // namespace poolkd::commands
