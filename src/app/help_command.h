#pragma once

namespace CLI {
class App;
}

namespace poolkd::app {

/// Adds `poolkd help`: what `.help` answers at the prompt, without a target, and what subcommands tell with `--help`.
void add_help_command(CLI::App& program, int& exit_code);

} // namespace poolkd::app
