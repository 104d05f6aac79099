#include "commands/memory.h"

#include "commands/memory_dump.h"
#include "commands/memory_enter.h"
#include "commands/memory_fill.h"
#include "commands/memory_search.h"
#include "commands/memory_translate.h"

namespace poolkd::commands {

void add_memory_commands(debugger::CommandTable& table) {
    add_dump_commands(table);
    add_enter_commands(table);
    add_search_commands(table);
    add_fill_commands(table);
    add_translate_commands(table);
}

} // namespace poolkd::commands
