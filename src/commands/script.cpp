#include "commands/script.h"

namespace poolkd::commands {

void add_script_commands(debugger::CommandTable& table) {
    add_flow_commands(table);
    add_script_file_commands(table);
    add_print_commands(table);
    add_alias_commands(table);
    add_pause_commands(table);
}

} // namespace poolkd::commands
