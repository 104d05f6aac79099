#include "commands/execution.h"

#include "commands/motion.h"

#include <charconv>

namespace poolkd::commands {

using control::StopReport;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t max_temporary = 10; // breakpoints of one `g`

Result<void> end_with(Session& session, Arguments& arguments, Result<StopReport> report) {
    POOLKD_CHECK(end_motion(session, arguments, std::move(report)));
    return {};
}

/// `g /for 5`: the target runs that long unless something stops it, then it is broken into.
Result<std::chrono::steady_clock::time_point> seconds_from_now(std::string_view word) {
    double seconds = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seconds);
    if (error != std::errc{} || end != word.data() + word.size() || !(seconds > 0) || seconds > 1e6)
        return fail(ErrorKind::usage, "'{}' is no number of seconds", word);
    return std::chrono::steady_clock::now() +
           std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
}

Result<void> go(Session& session, Arguments& arguments, std::optional<bool> handled) {
    if (session.running()) { // the user stopped waiting for it
        POOLKD_CHECK(session.no_more(arguments));
        return end_with(session, arguments, session.controller().wait(session.work()));
    }
    control::Goal goal;
    std::optional<VirtAddr> start;
    while (!arguments.done()) {
        if (arguments.take_option("for")) {
            POOLKD_TRY(goal.until, seconds_from_now(arguments.word()));
        } else if (arguments.take("=")) {
            POOLKD_TRY(start, session.address(arguments));
        } else if (goal.addresses.size() == max_temporary) {
            return fail(ErrorKind::usage, "g takes at most {} addresses", max_temporary);
        } else {
            POOLKD_TRY(VirtAddr address, session.address(arguments));
            goal.addresses.push_back(address);
        }
    }
    if (start) POOLKD_CHECK(start_at(session, *start));
    return end_with(session, arguments, session.controller().run(goal, session.work(), handled));
}

Result<void> go_on(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    return end_with(session, arguments, session.controller().go_on(session.work()));
}

Result<void> go_up(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    return end_with(session, arguments, run_out_of_function(session));
}

Result<void> reboot(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_CHECK(session.controller().reboot());
    if (!arguments.json) session.write("The target restarts; symbols are unloaded.\nWaiting to reconnect...\n");
    session.kernel().modules().drop_symbols();
    return end_with(session, arguments, session.controller().wait(session.work()));
}

} // namespace

void add_execution_commands(debugger::CommandTable& table) {
    Command g =
        resuming({"g"}, "let the target run until something stops it", "g [=Start] [Address ...] [/for Seconds]",
                 "Addresses are temporary breakpoints. /for breaks in after that many seconds (decimal). An int 3 that "
                 "is compiled into the target is stepped past first. From an exception it goes on as sx says "
                 "(handled or not). Ctrl-C breaks in. When the target runs already, g waits for it.",
                 [](Session& s, Arguments& a) { return go(s, a, std::nullopt); });
    g.needs_stop = false;
    table.add(std::move(g));
    table.add(resuming({"gh"}, "run; the exception counts as handled", "gh", {},
                       [](Session& s, Arguments& a) { return go(s, a, true); }));
    table.add(resuming({"gn"}, "run; the exception goes to the target's own handlers", "gn", {},
                       [](Session& s, Arguments& a) { return go(s, a, false); }));
    table.add(resuming({"gc"}, "go on with what the stop interrupted: a run, a step, gu", "gc",
                       "For the commands of breakpoints: a step over a function that they pass through stays a step.",
                       go_on));
    table.add(resuming({"gu"}, "run until the current function returns", "gu", {}, go_up));
    Command restart = resuming(
        {".reboot"}, "restart the target and wait until it stops again", ".reboot",
        "Breakpoints given by name come back when their module does; writes are gone with the old memory.", reboot);
    restart.repeat = debugger::Repeat::never;
    table.add(std::move(restart));
}

} // namespace poolkd::commands
