#include "app/program.h"

#include "app/answer_output.h"
#include "app/completion.h"
#include "app/connection.h"
#include "app/interrupt.h"
#include "app/script_folders.h"
#include "app/subcommands.h"
#include "base/text.h"
#include "commands/commands.h"
#include "commands/general.h"
#include "debugger/lexer.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace poolkd::app {

using debugger::Quit;
using debugger::Session;

namespace {

bool is_terminal() {
    return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

std::unique_ptr<LineReader> make_reader(Session& session) {
    if (!is_terminal()) return std::make_unique<StreamReader>(STDIN_FILENO, session.work());
    return make_terminal_reader(
        default_history_file(), [&session](std::string_view before) { return complete(session, before); },
        session.work());
}

Result<void> open_log(Session& session, const Options& options) {
    std::optional<std::string> file = options.log;
    bool append = options.log_append;
    if (!file) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): read before anything else runs
        if (const char* fresh = std::getenv("_NT_DEBUG_LOG_FILE_OPEN")) {
            file = fresh;
            // NOLINTNEXTLINE(concurrency-mt-unsafe)
        } else if (const char* more = std::getenv("_NT_DEBUG_LOG_FILE_APPEND")) {
            file = more;
            append = true;
        }
    }
    if (!file) return {};
    POOLKD_CHECK(session.out().open(*file, append));
    if (!session.json()) session.print("Opened log file '{}'\n", *file);
    return {};
}

/// Lines of the script file until one fails.
bool run_script(Session& session, const std::string& file) {
    std::ifstream stream(file);
    if (!stream) {
        session.print("Unable to open script file '{}'\n", file);
        return false;
    }
    for (std::string line; session.quit() == Quit::no && std::getline(stream, line);) {
        // An empty line in a file is layout, not a repetition.
        if (trim(line).empty()) continue;
        if (!session.execute_line(trim(line))) return false;
    }
    return true;
}

bool read_loop(Session& session, LineReader& reader) {
    bool good = true;
    while (session.quit() == Quit::no) {
        std::string prompt = session.prompt();
        InputLine line = reader.read(prompt);
        if (line.kind == InputLine::Kind::end) {
            if (reader.interactive()) session.write("\n");
            break;
        }
        if (line.kind == InputLine::Kind::interrupted) continue;
        if (!reader.interactive() && trim(line.text).empty()) continue;
        session.out().write_log_only(prompt + line.text + "\n");
        good = session.execute_line(line.text) && good;
    }
    return good || reader.interactive();
}

int debug(const Options& options) {
    debugger::StreamOutput console(stdout);
    debugger::CommandTable table = commands::all_commands();
    Session session(console, table);
    InterruptHandler interrupts(session.work(), InterruptHandler::Signals::all_endings);
    session.set_json(options.json);
    session.set_script_folders(script_folders());
    if (options.symbol_path) session.symbol_service().set_path(*options.symbol_path);
    if (options.noisy_symbols)
        session.symbol_service().set_noisy([&session](const std::string& line) { session.print("{}\n", line); });
    if (auto log = open_log(session, options); !log) {
        tell_line("poolkd: " + log.error().message);
        return exit_usage;
    }
    if (!options.quiet && !options.json) session.write(commands::product_text() + "\n");
    auto connection = connect(session, options);
    if (!connection) {
        tell_line("poolkd: " + connection.error().message);
        if (connection.error().kind == ErrorKind::usage) return exit_usage;
        return options.image ? exit_command_failed : exit_no_connection; // a file fails as evidence does
    }
    std::unique_ptr<LineReader> reader = make_reader(session);
    bool good = run_commands(session, options, *reader);
    disconnect(session, *connection);
    return good ? exit_good : exit_command_failed;
}

} // namespace

bool run_commands(Session& session, const Options& options, LineReader& reader) {
    session.set_ask_line([&reader](std::string_view prompt) -> std::optional<std::string> {
        InputLine line = reader.read(prompt);
        if (line.kind != InputLine::Kind::line) return std::nullopt;
        return line.text;
    });
    bool good = true;
    if (options.script) good = run_script(session, *options.script);
    if (options.commands && session.quit() == Quit::no && !session.execute_line(*options.commands)) {
        good = false;
        // An error ends the line, but a script that was to end with `q` must not wait at a prompt.
        std::vector<std::string> dropped = session.interpreter().dropped();
        const bool quits = !dropped.empty() && (dropped.back() == "q" || dropped.back() == "qd");
        const std::string last = quits ? dropped.back() : "";
        if (quits) dropped.pop_back();
        if (!dropped.empty())
            session.tell(fmt::format("Not run, because of that error: {}\n", fmt::join(dropped, "; ")));
        if (quits && session.quit() == Quit::no) session.execute_line(last);
    }
    if (session.quit() == Quit::no) good = read_loop(session, reader) && good;
    session.set_ask_line({});
    return good;
}

int run_program(std::span<const std::string> arguments) {
    if (auto code = run_subcommand(arguments)) return *code;
    auto options = parse_options(arguments);
    if (!options) {
        tell_line("poolkd: " + options.error().message);
        return exit_usage;
    }
    switch (options->action) {
    case Options::Action::version: fmt::print("{}", commands::product_text()); return exit_good;
    case Options::Action::help: fmt::print("{}", usage_text()); return exit_good;
    case Options::Action::debug: break;
    }
    return debug(*options);
}

} // namespace poolkd::app
