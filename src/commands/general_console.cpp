#include "commands/general.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Quit;
using debugger::Session;

namespace {

Result<void> help(Session& session, Arguments& arguments) {
    std::string_view name = arguments.word();
    if (arguments.json && name.empty()) {
        nlohmann::json commands = nlohmann::json::array();
        for (const auto& command : session.commands().all())
            commands.push_back(debugger::help_json(*command));
        session.write_json({{"commands", std::move(commands)}});
        return {};
    }
    if (name.empty()) {
        session.write(debugger::help_overview(session.commands()));
        return {};
    }
    const Command* command = session.commands().named(name);
    if (!command) {
        const auto near = session.commands().near(name);
        return fail(ErrorKind::not_found, "There is no command '{}'; {}.help lists them", name,
                    near.empty() ? "" : fmt::format("near to it: {}; ", fmt::join(near, ", ")));
    }
    if (arguments.json)
        session.write_json(
            {{"command", ".help"}, {"commands", nlohmann::json::array({debugger::help_json(*command)})}});
    else
        session.write(debugger::help_text(*command));
    return {};
}

Command general(std::vector<std::string_view> names, std::string_view summary, std::string_view syntax,
                Result<void> (*run)(Session&, Arguments&)) {
    return {.names = std::move(names),
            .family = "General",
            .summary = summary,
            .syntax = syntax,
            .needs_target = false,
            .needs_stop = false,
            .repeat = debugger::Repeat::never,
            .run = run};
}

} // namespace

void add_console_commands(debugger::CommandTable& table) {
    Command helper = general({".help"}, "list the commands, or tell about one", ".help [<command>]", help);
    helper.json = true;
    table.add(std::move(helper));
    table.add(general({"q", "qq"}, "end; the target stays as it is", "q", [](Session& s, Arguments& a) -> Result<void> {
        POOLKD_CHECK(s.no_more(a));
        s.request_quit(Quit::frozen);
        return {};
    }));
    Command qd = general({"qd"}, "end and let the target run", "qd [/k]", [](Session& s, Arguments& a) -> Result<void> {
        const bool keep = a.take_option("k");
        POOLKD_CHECK(s.no_more(a));
        s.request_quit(keep ? Quit::running_patched : Quit::running);
        return {};
    });
    qd.help = "Breakpoints are taken out, and what was written to memory is undone where that is safe; /k keeps the "
              "writes. The end of the input does the same as qd.";
    table.add(std::move(qd));
}

} // namespace poolkd::commands
