#include "commands/general.h"

namespace poolkd::commands {

void add_general_commands(debugger::CommandTable& table) {
    add_evaluate_commands(table);
    add_console_commands(table);
    add_log_commands(table);
    add_version_commands(table);
    add_journal_commands(table);
    add_global_flag_commands(table);
    add_switch_commands(table);
    add_tag_commands(table);
}

} // namespace poolkd::commands
