#pragma once

#include "app/lab_machine.h"

namespace CLI {
class App;
}

namespace poolkd::app {

/// Adds `poolkd lab start|stop|restart|list`. The work is done in CLI11 callbacks; what fails is printed to stderr and
/// `exit_code` set.
void add_lab_command(CLI::App& program, int& exit_code);
/// The same for `poolkd gflags`.
void add_gflags_command(CLI::App& program, int& exit_code);

/// The machine for `--lab[=SCENARIO]`: it ends with this process. Its folder is removed by `stop_lab`; a killed
/// process leaves it to the next start.
Result<LabMachine> start_session_lab(const LabOptions& options);

} // namespace poolkd::app
