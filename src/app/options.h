#pragma once

#include "app/lab_options.h"
#include "base/error.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace poolkd::app {

/// Exit codes of the program.
enum ExitCode : int {
    exit_good = 0,
    exit_command_failed = 1, ///< a command of -c, -cf or piped input failed
    exit_usage = 2,          ///< the command line is wrong
    exit_no_connection = 3,  ///< no target could be reached
    exit_found = 4,          ///< what --fail-on looks for is there
};

/// What the command line asks for; kd's option names (commands.md 2.1).
struct Options {
    enum class Action { debug, version, help } action = Action::debug;
    std::optional<std::string> connection; ///< of -k; empty: from the environment
    std::optional<std::string> image;      ///< of -z, or a file named alone: a crash dump or another memory image
    std::optional<std::string> lab;        ///< scenario of --lab; empty: the usual one
    LabOptions lab_options;                ///< the rest of what `--lab…` words say
    std::optional<std::string> commands;   ///< -c
    std::optional<std::string> script;     ///< -cf
    std::optional<std::string> log;        ///< -logo or -loga
    bool log_append = false;
    std::optional<std::string> symbol_path; ///< -y
    bool noisy_symbols = false;             ///< -n
    bool verbose = false;                   ///< -v
    bool quiet = false;                     ///< --quiet, and `-kqm`: no banner
    bool target_prints = true;              ///< what the target prints is shown
    bool json = false;                      ///< --json
};

/// Reads the arguments behind the program's name, over what is there already. Error kind `usage` for an unknown option
/// or a missing value, `unsupported` for an option of kd that poolkd does not have; each names the option.
[[nodiscard]] Result<Options> parse_options(std::span<const std::string> arguments, Options options = {});

/// The text of `-?`.
[[nodiscard]] std::string usage_text();

} // namespace poolkd::app
