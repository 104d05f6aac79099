#pragma once

namespace CLI {
class App;
}

namespace poolkd::app {

/// Adds `poolkd record FILE`: snapshots of a live target into a series file.
void add_record_command(CLI::App& program, int& exit_code);

} // namespace poolkd::app
