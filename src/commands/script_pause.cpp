#include "base/text.h"
#include "commands/script.h"
#include "debugger/session.h"
#include "debugger/times.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

Result<void> run_sleep(Session& session, Arguments& arguments) {
    using namespace std::chrono_literals;
    constexpr std::uint64_t longest = 24ull * 3600 * 1000; // milliseconds
    POOLKD_TRY(std::uint64_t ms, session.expression(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    if (ms > longest) return fail(ErrorKind::usage, ".sleep takes at most a day");
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while (!session.work().stop_requested()) {
        const auto left = end - std::chrono::steady_clock::now();
        if (left <= 0ns) return {};
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, 50ms)); // so that Ctrl-C is seen
    }
    return {};
}

Result<void> run_echotime(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    session.print("Debugger (not debuggee) time: {}\n", debugger::time_text(debugger::filetime_now()));
    return {};
}

} // namespace

void add_pause_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                   Result<void> (*run)(Session&, Arguments&)) {
        table.add(Command{.names = {name},
                          .family = "Scripts",
                          .summary = summary,
                          .syntax = syntax,
                          .help = help,
                          .needs_target = false,
                          .needs_stop = false,
                          .run = run});
    };
    add(".sleep", "wait, without letting the target run", ".sleep Milliseconds",
        "The number is an expression, so hexadecimal; 0n100 is a tenth of a second. g /for lets the target run "
        "meanwhile.",
        run_sleep);
    add(".echotime", "print the time of this machine", ".echotime", {}, run_echotime);
}

} // namespace poolkd::commands
