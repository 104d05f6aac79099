#include "commands/general.h"
#include "debugger/lexer.h"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
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

/// "poolkd_unix_run_lab_kd.sock.log": a name that tells the target, for /d.
std::string name_of_target(Session& session) {
    std::string name = "poolkd_";
    for (char c : session.has_target() ? session.target().identity().connection : std::string("none"))
        name += debugger::is_word_character(c) || c == '.' || c == '-' ? c : '_';
    return name + ".log";
}

Result<void> open_log(Session& session, Arguments& arguments, bool append) {
    bool stamp = false;
    bool by_target = false;
    // A path may begin with a slash as well, so anything but these options is the file.
    for (bool option = true; option;) {
        const bool is_stamp = arguments.take_option("t");
        const bool is_target = arguments.take_option("d");
        stamp = stamp || is_stamp;
        by_target = by_target || is_target;
        option = is_stamp || is_target || arguments.take_option("u");
    }
    const Arguments at_name = arguments;
    std::string name = arguments.text();
    POOLKD_CHECK(session.no_more(arguments));
    if (by_target && !name.empty()) return session.caret_error(at_name, "Extra character error");
    std::filesystem::path file = by_target ? name_of_target(session) : name.empty() ? std::string(default_log) : name;
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

Result<void> tell_log(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    if (const std::string open = session.out().file(); !open.empty()) {
        session.print("Log '{}' open\n", open);
    } else {
        session.write("No log file open\n");
    }
    return {};
}

} // namespace

void add_log_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, bool opens,
                   std::function<Result<void>(Session&, Arguments&)> run) {
        Command command{.names = {name},
                        .family = "General",
                        .summary = summary,
                        .syntax = syntax,
                        .needs_target = false,
                        .needs_stop = false,
                        .repeat = debugger::Repeat::never,
                        .run = std::move(run)};
        if (opens)
            command.options = {{"/t", "add process number and time to the name"},
                               {"/d", "a name made of the target's"},
                               {"/u", "accepted; logs are UTF-8"}};
        table.add(std::move(command));
    };
    add(".logopen", "write what is shown to a file, too", ".logopen [/t] [/d] [/u] [File]", true,
        [](Session& s, Arguments& a) { return open_log(s, a, false); });
    add(".logappend", "the same, after what the file has", ".logappend [/t] [/d] [/u] [File]", true,
        [](Session& s, Arguments& a) { return open_log(s, a, true); });
    add(".logclose", "close the log file", ".logclose", false, close_log);
    add(".logfile", "tell which log file is open", ".logfile", false, tell_log);
}

} // namespace poolkd::commands
