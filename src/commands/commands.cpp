#include "commands/commands.h"

namespace poolkd::commands {

debugger::CommandTable all_commands() {
    debugger::CommandTable table;
    add_memory_commands(table);
    add_register_commands(table);
    add_general_commands(table);
    return table;
}

} // namespace poolkd::commands
