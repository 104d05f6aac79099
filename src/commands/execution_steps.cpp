#include "code/decoder.h"
#include "commands/execution.h"
#include "commands/motion.h"

namespace poolkd::commands {

using code::InstructionKind;
using control::Step;
using control::StopKind;
using control::StopReport;
using debugger::Arguments;
using debugger::Session;

namespace {

/// `[=Start]` of a step.
Result<void> take_step_start(Session& session, Arguments& arguments) {
    if (!arguments.take("=")) return {};
    POOLKD_TRY(VirtAddr start, session.address(arguments));
    return start_at(session, start);
}

std::unexpected<Error> stopped_after(std::uint64_t steps) {
    return fail(ErrorKind::stopped, "Stopped after {} step{}", steps, steps == 1 ? "" : "s");
}

/// `p` and `t`; `pr` and `tr` change whether registers are shown.
Result<void> step_by_count(Session& session, Arguments& arguments, Step kind, bool toggles) {
    bool& shows_registers = session.display().step_registers;
    POOLKD_CHECK(take_step_start(session, arguments));
    std::uint64_t count = 1;
    if (!arguments.done() && arguments.peek() != '"') {
        POOLKD_TRY(count, session.expression(arguments));
    }
    const std::optional<std::string> command = arguments.quoted_commands();
    POOLKD_CHECK(session.no_more(arguments));
    if (toggles) shows_registers = !shows_registers;
    for (std::uint64_t i = 0; i < count; ++i) {
        POOLKD_TRY(std::optional<StopReport> report,
                   end_motion(session, arguments, session.controller().step(kind, session.work()),
                              shows_registers ? Arrival::registers : Arrival::location));
        if (!report || report->kind != StopKind::step_done) return {}; // something else stopped the target
        if (report->overtook || session.work().stop_requested()) return stopped_after(i + 1);
        if (command && session.interpreter().run_block(*command) != debugger::Unwind::none) return {};
    }
    return {};
}

/// Where a run of steps ends.
using Wanted = std::function<bool(const code::Instruction&)>;

/// The instruction that the target stands at: as the stop told it, without a round trip.
Result<code::Instruction> instruction_at(Session& session, const target::Stop& stop) {
    ByteVector bytes = stop.instruction_stream;
    if (bytes.empty()) {
        bytes.resize(code::max_instruction_bytes);
        bytes.resize(session.memory().read(stop.ip, bytes).bytes);
    }
    return code::decode(session.kernel().machine(), bytes, stop.ip);
}

/// Steps until `arrived` says so of the stop; the steps in between are shown when `shows_all`.
Result<void> step_until(Session& session, Arguments& arguments, Step kind, bool shows_all, std::uint64_t times,
                        const std::function<bool(const target::Stop&)>& arrived) {
    for (std::uint64_t steps = 1; times > 0; ++steps) {
        auto report = session.controller().step(kind, session.work());
        const bool there = report && report->kind == StopKind::step_done && arrived(report->stop);
        if (there) --times;
        const bool shown = shows_all || (there && times == 0);
        const Arrival arrival = !shown                             ? Arrival::silent
                                : session.display().step_registers ? Arrival::registers
                                                                   : Arrival::location;
        POOLKD_TRY(std::optional<StopReport> end, end_motion(session, arguments, std::move(report), arrival));
        if (!end || end->kind != StopKind::step_done) return {};
        if (end->overtook || session.work().stop_requested()) return stopped_after(steps);
    }
    return {};
}

Result<void> step_to_instruction(Session& session, Arguments& arguments, Step kind, const Wanted& wanted) {
    POOLKD_CHECK(take_step_start(session, arguments));
    std::uint64_t count = 1;
    if (!arguments.done()) {
        POOLKD_TRY(count, session.expression(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    return step_until(session, arguments, kind, false, count, [&](const target::Stop& stop) {
        auto instruction = instruction_at(session, stop);
        return instruction && wanted(*instruction);
    });
}

Result<void> step_to_address(Session& session, Arguments& arguments, Step kind) {
    POOLKD_CHECK(take_step_start(session, arguments));
    if (arguments.done()) return fail(ErrorKind::usage, "Up to which address?");
    POOLKD_TRY(VirtAddr end, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    return step_until(session, arguments, kind, true, 1, [end](const target::Stop& stop) { return stop.ip == end; });
}

bool is_call(const code::Instruction& i) {
    return i.kind == InstructionKind::call;
}
bool is_return(const code::Instruction& i) {
    return i.kind == InstructionKind::ret;
}
bool is_call_or_return(const code::Instruction& i) {
    return is_call(i) || is_return(i);
}
bool is_branch(const code::Instruction& i) {
    return is_call(i) || i.ends_block();
}

struct InstructionSteps {
    std::string_view over, into;
    std::string_view summary;
    std::string_view syntax_over, syntax_into;
    bool (*wanted)(const code::Instruction&);
};

constexpr InstructionSteps instruction_steps[] = {
    {"pc", "tc", "step to the next call", "pc [=Start] [Count]", "tc [=Start] [Count]", is_call},
    {"pt", "tt", "step to the next return", "pt [=Start] [Count]", "tt [=Start] [Count]", is_return},
    {"pct", "tct", "step to the next call or return", "pct [=Start] [Count]", "tct [=Start] [Count]",
     is_call_or_return},
    {"ph", "th", "step to the next branch of any kind", "ph [=Start] [Count]", "th [=Start] [Count]", is_branch},
};

} // namespace

void add_step_commands(debugger::CommandTable& table) {
    constexpr std::string_view p_help =
        "Count is in the current radix; commands run after each step. pr and tr change whether registers are shown.";
    for (auto [name, kind, toggles, syntax] : {std::tuple{"p", Step::over, false, "p [=Start] [Count] [\"commands\"]"},
                                               {"pr", Step::over, true, "pr [=Start] [Count] [\"commands\"]"},
                                               {"t", Step::into, false, "t [=Start] [Count] [\"commands\"]"},
                                               {"tr", Step::into, true, "tr [=Start] [Count] [\"commands\"]"}})
        table.add(resuming(
            {name}, kind == Step::over ? "one instruction; calls run to their end" : "one instruction, into calls",
            syntax, p_help, [kind, toggles](Session& s, Arguments& a) { return step_by_count(s, a, kind, toggles); }));
    for (const InstructionSteps& row : instruction_steps)
        for (Step kind : {Step::over, Step::into})
            table.add(resuming(
                {kind == Step::over ? row.over : row.into}, row.summary,
                kind == Step::over ? row.syntax_over : row.syntax_into,
                kind == Step::over ? "Calls on the way run to their end." : "Goes into calls.",
                [kind, &row](Session& s, Arguments& a) { return step_to_instruction(s, a, kind, row.wanted); }));
    table.add(resuming({"pa"}, "step to an address, and show each step", "pa [=Start] Address",
                       "Calls on the way run to their end.",
                       [](Session& s, Arguments& a) { return step_to_address(s, a, Step::over); }));
    table.add(resuming({"ta"}, "step to an address, into calls, and show each step", "ta [=Start] Address", {},
                       [](Session& s, Arguments& a) { return step_to_address(s, a, Step::into); }));
}

} // namespace poolkd::commands
