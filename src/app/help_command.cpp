#include "app/help_command.h"

#include "app/options.h"
#include "app/subcommands.h"
#include "commands/commands.h"
#include "debugger/session.h"

#include <CLI/CLI.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::app {

namespace {

/// What the program's own subcommand of that name tells with `--help`; nothing when there is none.
std::optional<int> subcommand_help(const std::string& name) {
    return run_subcommand(std::array{name, std::string("--help")});
}

int answer(const std::vector<std::string>& names, bool json) {
    debugger::StreamOutput console(stdout);
    debugger::CommandTable table = commands::all_commands();
    debugger::Session session(console, table);
    session.set_json(json);
    bool good = names.empty() ? session.execute_line(".help") : true;
    for (const std::string& name : names) {
        const auto told = json ? std::nullopt : subcommand_help(name);
        good &= told ? *told == exit_good : session.execute_line(".help " + name);
    }
    return good ? exit_good : exit_command_failed;
}

} // namespace

void add_help_command(CLI::App& program, int& exit_code) {
    struct Words {
        std::vector<std::string> commands;
        bool json = false;
    };
    auto words = std::make_shared<Words>();
    CLI::App* help = program.add_subcommand("help", "the debugger's commands, or some of them");
    help->add_option("command", words->commands,
                     "as it is typed at the prompt: k, .reload, !poolused; or a subcommand: hunt");
    help->add_flag("--json", words->json, "answer in JSON");
    help->callback([words, &exit_code] { exit_code = answer(words->commands, words->json); });
}

} // namespace poolkd::app
