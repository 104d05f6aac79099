#include "commands/motion.h"

#include "code/stack.h"
#include "commands/location.h"
#include "commands/register_text.h"
#include "commands/stop_text.h"

namespace poolkd::commands {

using control::StopKind;
using control::StopReport;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

void show_stop(Session& session, Arguments& arguments, const StopReport& report, Arrival arrival) {
    session.note_stop();
    const bool arrived = report.kind == StopKind::step_done;
    if (arrived && arrival == Arrival::silent) return;
    if (arguments.json) {
        session.write_json(nlohmann::json{{"stop", stop_json(session, report)}});
        return;
    }
    if (arrived && arrival == Arrival::registers)
        if (auto registers = session.registers()) {
            session.write(all_registers_text(*registers) + location_text(session, registers->ip(), &*registers));
            return;
        }
    session.write(stop_text(session, report));
}

/// The motions that commands of a breakpoint end with, without an end of their own: a breakpoint that is hit a million
/// times must not nest a million deep. Nothing for any other command.
std::optional<Result<StopReport>> plain_motion(Session& session, std::string_view command) {
    auto& controller = session.controller();
    Work& work = session.work();
    if (equals_ignore_case(command, "gc")) return controller.go_on(work);
    if (equals_ignore_case(command, "g")) return controller.go_and_wait(work);
    if (equals_ignore_case(command, "gh")) return controller.go_and_wait(work, true);
    if (equals_ignore_case(command, "gn")) return controller.go_and_wait(work, false);
    if (equals_ignore_case(command, "gu")) return run_out_of_function(session);
    if (equals_ignore_case(command, "p")) return controller.step(control::Step::over, work);
    if (equals_ignore_case(command, "t")) return controller.step(control::Step::into, work);
    return std::nullopt;
}

} // namespace

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

Result<void> start_at(Session& session, VirtAddr start) {
    POOLKD_TRY(RegisterFile registers, session.registers(session.processor()));
    registers.set_ip(start);
    return session.set_registers(registers);
}

Result<StopReport> run_out_of_function(Session& session) {
    POOLKD_TRY(RegisterFile registers, session.registers(session.processor()));
    code::WalkOptions options;
    options.max_frames = 1;
    options.arguments = false;
    Answer<code::StackTrace> trace = code::walk_stack(session.kernel(), registers, options, &session.work());
    if (trace.value.frames.empty() || !trace.value.frames.front().return_address)
        return fail(ErrorKind::not_found, "The caller of this function is not known. {}", trace.value.note);
    const code::Frame& frame = trace.value.frames.front();
    control::Goal goal;
    goal.addresses = {frame.return_address};
    goal.above_sp = frame.sp;
    if (const auto& last = session.controller().last()) goal.thread = last->stop.thread;
    return session.controller().run(goal, session.work());
}

Result<std::optional<StopReport>> end_motion(Session& session, Arguments& arguments, Result<StopReport> report,
                                             Arrival arrival) {
    while (true) {
        if (!report) {
            if (report.error().kind == ErrorKind::link || report.error().kind == ErrorKind::stopped)
                session.note_stop();
            return std::unexpected(std::move(report).error());
        }
        // A stop with commands is silent but for them, as in kd.
        if (report->command.empty()) {
            show_stop(session, arguments, *report, arrival);
            if ((report->requested && !report->planned) || report->overtook) session.interpreter().note_break_in();
            return std::optional(*std::move(report));
        }
        session.note_stop();
        if (!report->note.empty()) session.write(report->note + "\n");
        const std::string resume = session.interpreter().run_at_stop(report->command);
        if (resume.empty()) return std::optional(*std::move(report));
        auto motion = plain_motion(session, trim(resume));
        if (!motion) {
            (void)session.interpreter().run_block(resume);
            return std::nullopt;
        }
        report = std::move(*motion);
    }
}

} // namespace poolkd::commands
