#include "app/subcommands.h"

#include "app/diff_command.h"
#include "app/help_command.h"
#include "app/hunt_command.h"
#include "app/lab_command.h"
#include "app/options.h"
#include "app/poolmon_command.h"
#include "app/record_command.h"
#include "app/sites_command.h"
#include "app/trace_command.h"
#include "app/trend_command.h"
#include "app/verdict_command.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

namespace poolkd::app {

namespace {

/// Either adds itself to CLI11, or reads its words itself because they are not of CLI11's making (`/b`).
struct Subcommand {
    std::string_view name;
    void (*add)(CLI::App& program, int& exit_code);
    int (*run)(std::span<const std::string> words) = nullptr;
};

constexpr Subcommand subcommands[] = {
    {"hunt", add_hunt_command},        {"verdict", add_verdict_command}, {"diff", add_diff_command},
    {"trend", add_trend_command},      {"record", add_record_command},   {"trace", add_trace_command},
    {"poolmon", nullptr, run_poolmon}, {"lab", add_lab_command},         {"gflags", add_gflags_command},
    {"help", add_help_command},        {"sites", add_sites_command},
};

/// An answer that did not reach its file or pipe is no answer.
int finish(int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    std::fputs("poolkd: The output cannot be written\n", stderr);
    return exit_command_failed;
}

} // namespace

std::optional<int> run_subcommand(std::span<const std::string> arguments) {
    if (arguments.empty()) return std::nullopt;
    const auto* chosen = std::ranges::find(subcommands, arguments.front(), &Subcommand::name);
    if (chosen == std::end(subcommands)) return std::nullopt;
    if (chosen->run) return finish(chosen->run(arguments.subspan(1)));
    CLI::App program("poolkd: a kernel debugger for Windows NT targets that finds pool leaks", "poolkd");
    program.require_subcommand(1);
    program.failure_message([](const CLI::App* app, const CLI::Error& error) {
        return "poolkd: " + CLI::FailureMessage::simple(app, error);
    });
    int code = exit_good;
    chosen->add(program, code);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend()); // as CLI11 wants them
    for (std::string& word : reversed)
        if (word == "-?" || word == "/?") word = "--help"; // as kd and PoolMon have it
    try {
        program.parse(reversed);
    } catch (const CLI::ParseError& error) {
        return program.exit(error) == 0 ? exit_good : exit_usage;
    }
    return finish(code);
}

} // namespace poolkd::app
