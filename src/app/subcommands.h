#pragma once

#include <optional>
#include <span>
#include <string>

namespace poolkd::app {

/// Runs the subcommand that the first word names, and gives its exit code; nothing when it names none.
std::optional<int> run_subcommand(std::span<const std::string> arguments);

} // namespace poolkd::app
