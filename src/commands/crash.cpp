#include "commands/crash.h"

#include "base/text.h"
#include "debugger/session.h"
#include "hunt/crash.h"
#include "render/crash.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

Result<nt::BugCheck> current_bug_check(Session& session) {
    if (auto bug_check = nt::read_bug_check(session.kernel())) return *bug_check;
    return fail(ErrorKind::not_found, "The target is in no bug check");
}

Result<void> show_bug_check(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(const nt::BugCheck bug_check, current_bug_check(session));
    if (arguments.json) {
        session.write_json(render::bug_check_json(bug_check));
    } else {
        session.write(render::bug_check_text(bug_check, session.pointer_size()));
    }
    return {};
}

/// Tags that the debugger itself changed in code: freed under the old tag, such a block ends in C2/0A.
void tell_own_writes(Session& session, hunt::CrashReport& report) {
    if (!report.meaning || !report.meaning->freed_as) return;
    const auto& entries = session.journal().entries();
    const auto active = std::ranges::count_if(
        entries, [](const control::JournalEntry& entry) { return !entry.undone && !entry.breakpoint_handle; });
    if (active != 0)
        report.findings.push_back(
            fmt::format("The debugger itself has {} write{} in effect (.writes): a call site whose "
                        "tag was changed without its partner causes just this.",
                        active, active == 1 ? "" : "s"));
}

Result<void> analyze(Session& session, Arguments& arguments) {
    bool verbose = false;
    while (!arguments.done()) {
        if (arguments.take("-v")) {
            verbose = true;
        } else if (arguments.take("-f")) {
            // All that this analysis is about are bug checks.
        } else {
            return fail(ErrorKind::usage, "!analyze takes -v, not '{}'", arguments.text());
        }
    }
    const auto found = nt::read_bug_check(session.kernel());
    if (!found) { // which is an answer: the commands behind it are run
        if (arguments.json) {
            session.write_json({{"bug_check", nullptr}});
        } else {
            session.write("The target is in no bug check: there is nothing to analyze\n");
        }
        return {};
    }
    const nt::BugCheck& bug_check = *found;
    // Of the processor that stopped, whatever .thread, .trap or .cxr look at.
    const auto registers = session.registers(session.processor());
    hunt::CrashReport report = hunt::examine_crash(session.kernel(), bug_check, registers, session.work());
    tell_own_writes(session, report);
    if (arguments.json) {
        session.write_json(render::crash_json(report));
    } else {
        session.write(render::crash_text(report, verbose, session.pointer_size()));
    }
    return {};
}

} // namespace

void add_crash_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".bugcheck"},
        .family = "Crashes",
        .summary = "show the code and the parameters of the bug check",
        .syntax = ".bugcheck [--json]",
        .help = "From the kernel's own record of it, else from the header of the dump.",
        .json = true,
        .run = show_bug_check,
    });
    table.add(Command{
        .names = {"!analyze"},
        .family = "Crashes",
        .summary = "tell in words what a bug check is about, from its parameters, the pool and the stack",
        .syntax = "!analyze [-v] [--json]",
        .help = "Of bug checks about pool (19, C2, C4, 50, 3F, 13A and their relatives): what happened, what the block "
                "and its neighbours show, whose tag it is and by what evidence, which driver it points at and how sure "
                "that is. Of others the name, the parameters and the first driver on the stack. -v: the arguments with "
                "their meaning, and the stack.",
        .json = true,
        .run = analyze,
    });
}

} // namespace poolkd::commands
