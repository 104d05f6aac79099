#pragma once

#include <CLI/CLI.hpp>

#include <memory>

namespace poolkd::app {

/// Adds a subcommand whose words are read into `Words`, which has `add_to(CLI::App&)`, and which `run` then answers
/// with an exit code.
template <class Words>
void add_subcommand(CLI::App& program, int& exit_code, const char* name, const char* description, const char* footer,
                    int (*run)(Words&)) {
    CLI::App* command = program.add_subcommand(name, description);
    auto words = std::make_shared<Words>();
    words->add_to(*command);
    command->footer(footer);
    command->callback([words, run, &exit_code] { exit_code = run(*words); });
}

} // namespace poolkd::app
