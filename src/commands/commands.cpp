#include "commands/commands.h"

#include "commands/breakpoints.h"
#include "commands/code.h"
#include "commands/crash.h"
#include "commands/dump_file.h"
#include "commands/events.h"
#include "commands/execution.h"
#include "commands/general.h"
#include "commands/hits.h"
#include "commands/link.h"
#include "commands/memory.h"
#include "commands/pool.h"
#include "commands/processes.h"
#include "commands/processors.h"
#include "commands/registers.h"
#include "commands/retag.h"
#include "commands/script.h"
#include "commands/sites.h"
#include "commands/stacks.h"
#include "commands/symbols.h"

namespace poolkd::commands {

debugger::CommandTable all_commands() {
    debugger::CommandTable table;
    add_memory_commands(table);
    add_register_commands(table);
    add_stack_commands(table);
    add_code_commands(table);
    add_processor_commands(table);
    add_process_commands(table);
    add_context_commands(table);
    add_execution_commands(table);
    add_step_commands(table);
    add_event_commands(table);
    add_breakpoint_commands(table);
    add_breakpoint_list_commands(table);
    add_symbol_path_commands(table);
    add_module_list_commands(table);
    add_symbol_search_commands(table);
    add_type_commands(table);
    add_pool_commands(table);
    add_site_commands(table);
    add_hits_command(table);
    add_retag_command(table);
    add_crash_commands(table);
    add_dump_file_commands(table);
    add_link_commands(table);
    add_script_commands(table);
    add_general_commands(table);
    return table;
}

} // namespace poolkd::commands
