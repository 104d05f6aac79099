#include "commands/general.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// Scripts written for kd set them; nothing here depends on them.
constexpr std::string_view switches[] = {".asm",
                                         ".cls",
                                         ".echocpunum",
                                         ".echotimestamps",
                                         ".enable_long_status",
                                         ".enable_unicode",
                                         ".force_radix_output",
                                         ".prompt_allow",
                                         ".srcpath",
                                         ".symopt",
                                         "so",
                                         "sq"};

Result<void> accept(Session&, Arguments& arguments) {
    (void)arguments.take_rest();
    return {};
}

Result<void> show_cache(Session& session, Arguments& arguments) {
    (void)arguments.take_rest();
    session.write("What was read is kept until the target runs or is written to; there is nothing to set.\n");
    return {};
}

Command general(std::string_view name, std::string_view summary, std::string_view syntax,
                Result<void> (*run)(Session&, Arguments&)) {
    return {.names = {name},
            .family = "General",
            .summary = summary,
            .syntax = syntax,
            .needs_target = false,
            .needs_stop = false,
            .run = run};
}

} // namespace

void add_switch_commands(debugger::CommandTable& table) {
    for (std::string_view name : switches) {
        Command command = general(name, "a display switch of kd: accepted, and changes nothing here", name, accept);
        command.may_touch = name == ".srcpath" || name == ".symopt"; // `.srcpath+ FOLDER`
        table.add(std::move(command));
    }
    table.add(general(".cache", "tell how long memory that was read is kept", ".cache", show_cache));
}

} // namespace poolkd::commands
