#pragma once

namespace CLI {
class App;
}

namespace poolkd::app {

/// Adds `poolkd hunt`. The work is done in a callback of CLI11; what fails is told on stderr and shows in `exit_code`.
void add_hunt_command(CLI::App& program, int& exit_code);

} // namespace poolkd::app
