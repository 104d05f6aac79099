#pragma once

namespace CLI {
class App;
}

namespace poolkd::app {

/// Adds `poolkd trace TAG`: a live target is stopped at each allocation and free of a tag.
void add_trace_command(CLI::App& program, int& exit_code);

} // namespace poolkd::app
