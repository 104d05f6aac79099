#include "commands/general.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Quit;
using debugger::Session;

namespace {

constexpr std::string_view default_log = "Dbgeng.log";

/// "name_1a2c_2021-10-23_19-41-14-123.log": process number and time go before the extension, as kd's /t does.
std::filesystem::path stamped(const std::filesystem::path& file) {
    auto now = std::chrono::system_clock::now();
    std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
    std::tm parts{};
    localtime_r(&seconds, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d_%H-%M-%S", &parts);
    std::filesystem::path out = file;
    out.replace_filename(
        fmt::format("{}_{:04x}_{}-{:03}{}", file.stem().string(), getpid(), text, ms, file.extension().string()));
    return out;
}

Result<void> open_log(Session& session, Arguments& arguments, bool append) {
    bool stamp = false;
    // A path may begin with a slash as well, so anything but these options is the file.
    for (bool option = true; option;) {
        bool is_stamp = arguments.take_option("t");
        stamp = stamp || is_stamp;
        option = is_stamp || arguments.take_option("d") || arguments.take_option("u");
    }
    std::string name = arguments.text();
    POOLKD_CHECK(session.no_more(arguments));
    std::filesystem::path file = name.empty() ? std::string(default_log) : name;
    if (stamp) file = stamped(file);
    if (std::string open = session.out().file(); !open.empty()) session.print("Closing open log file {}\n", open);
    POOLKD_CHECK(session.out().open(file, append));
    session.print("Opened log file '{}'\n", file.string());
    return {};
}

Result<void> close_log(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    std::string open = session.out().file();
    if (open.empty()) {
        session.write("No log file open\n");
        return {};
    }
    session.print("Closing open log file {}\n", open);
    session.out().close();
    return {};
}

Result<void> echo(Session& session, Arguments& arguments) {
    Arguments whole = arguments;
    auto quoted = arguments.quoted();
    if (quoted && arguments.done()) {
        session.print("{}\n", *quoted);
    } else {
        session.print("{}\n", whole.take_rest());
    }
    return {};
}

Result<void> help(Session& session, Arguments& arguments) {
    std::string_view name = arguments.word();
    if (name.empty()) {
        session.write(debugger::help_overview(session.commands()));
        return {};
    }
    const Command* command = session.commands().named(name);
    if (!command) return fail(ErrorKind::not_found, "There is no command '{}'; .help lists them", name);
    session.write(debugger::help_text(*command));
    return {};
}

Result<void> set_alias(Session& session, Arguments& arguments) {
    std::string name(arguments.word());
    std::string_view text = arguments.take_rest();
    if (name.empty() || text.empty()) return session.caret_error(arguments, "Syntax error");
    if (name.starts_with('/'))
        return fail(ErrorKind::unsupported, "The options of 'as' are not supported; 'as <name> <text>' is");
    session.aliases().set(std::move(name), std::string(text));
    return {};
}

Result<void> delete_alias(Session& session, Arguments& arguments) {
    std::string_view name = arguments.word();
    if (name == "*") {
        session.aliases().clear();
        return {};
    }
    if (session.aliases().remove(name)) return {};
    return fail(ErrorKind::not_found, "There is no alias '{}'", name);
}

Result<void> list_aliases(Session& session, Arguments&) {
    if (session.aliases().all().empty()) {
        session.write("No aliases\n");
        return {};
    }
    session.write("  Alias            Value\n -------          -------\n");
    for (const auto& [name, text] : session.aliases().all())
        session.print(" {:<16} {}\n", name, text);
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
    table.add(general({".help"}, "list the commands, or tell about one", ".help [<command>]", help));
    table.add(general({".echo"}, "print a text", ".echo <text>", echo));
    Command open = general({".logopen"}, "write what is shown to a file, too", ".logopen [/t] [/u] [<file>]",
                           [](Session& s, Arguments& a) { return open_log(s, a, false); });
    open.options = {{"/t", "add process number and time to the name"}, {"/u", "accepted; logs are UTF-8"}};
    table.add(std::move(open));
    table.add(general({".logappend"}, "the same, after what the file has", ".logappend [/t] [/u] [<file>]",
                      [](Session& s, Arguments& a) { return open_log(s, a, true); }));
    table.add(general({".logclose"}, "close the log file", ".logclose", close_log));
    table.add(general({"as", "aS"}, "name a text that is then replaced in commands", "as <name> <text>", set_alias));
    table.add(general({"ad"}, "remove an alias, or all with *", "ad <name>|*", delete_alias));
    table.add(general({"al"}, "list the aliases", "al", list_aliases));
    table.add(general({"q", "qq"}, "end; the target stays as it is", "q", [](Session& s, Arguments& a) -> Result<void> {
        POOLKD_CHECK(s.no_more(a));
        s.request_quit(Quit::frozen);
        return {};
    }));
    table.add(general({"qd"}, "end and let the target run", "qd", [](Session& s, Arguments& a) -> Result<void> {
        POOLKD_CHECK(s.no_more(a));
        s.request_quit(Quit::running);
        return {};
    }));
}

} // namespace poolkd::commands
