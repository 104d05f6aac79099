#include "debugger/script_file.h"

#include "base/text.h"
#include "commands/script.h"
#include "debugger/session.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// The name is all that is left, in quotes or without.
Result<std::string> read_named(Session& session, Arguments& arguments) {
    std::string_view name = arguments.take_rest();
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
    return debugger::read_script(name, session.script_folders());
}

Result<void> run_line_by_line(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string text, read_named(session, arguments));
    session.interpreter().run_lines(text, !session.json());
    return {};
}

Result<void> run_as_block(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string text, read_named(session, arguments));
    if (!session.json()) {
        std::string joined;
        for (std::string_view line : split(text, '\n'))
            if (line = trim(line); !line.empty()) joined += (joined.empty() ? "" : ";") + std::string(line);
        session.print("{}{}\n", session.prompt(), joined);
    }
    session.interpreter().run_block(text);
    return {};
}

Result<void> run_with_arguments(Session& session, Arguments& arguments) {
    const std::string name = arguments.text();
    POOLKD_TRY(std::string text, debugger::read_script(name, session.script_folders()));
    debugger::AliasMap values;
    while (!arguments.done())
        values[fmt::format("$arg{}", values.size() + 1)] = arguments.text();
    session.interpreter().run_block(text, values);
    return {};
}

} // namespace

void add_script_file_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                   Result<void> (*run)(Session&, Arguments&)) {
        table.add(Command{.names = {name},
                          .family = "Scripts",
                          .summary = summary,
                          .syntax = syntax,
                          .help = help,
                          .may_touch = true,
                          .needs_target = false,
                          .needs_stop = false,
                          .run = run});
    };
    add("$<", "run the lines of a file, each as if it was typed", "$<File", "The rest of the line is the name.",
        run_line_by_line);
    add("$><", "run a file as one block", "$><File", "The rest of the line is the name.", run_as_block);
    add("$$<", "as $<; a `;` ends the name", "$$<File", {}, run_line_by_line);
    add("$$><", "as $><; a `;` ends the name", "$$><File", {}, run_as_block);
    add("$$>a<", "run a file as one block with arguments", "$$>a<File [Argument ...]",
        "${$arg1}, ${$arg2} and so on are replaced by the arguments; those that are missing stay as they are, and "
        "${/d:$arg1} tells 1 or 0. A file that is not in the current folder is looked for among the scripts that come "
        "with poolkd; POOLKD_SCRIPTS may name more folders, separated by colons.",
        run_with_arguments);
}

} // namespace poolkd::commands
