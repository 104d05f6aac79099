#include "commands/commands.h"

#include "commands/general.h"
#include "commands/memory.h"
#include "commands/pool.h"
#include "commands/registers.h"

namespace poolkd::commands {

debugger::CommandTable all_commands() {
    debugger::CommandTable table;
    add_memory_commands(table);
    add_register_commands(table);
    add_pool_commands(table);
    add_general_commands(table);
    return table;
}

} // namespace poolkd::commands
