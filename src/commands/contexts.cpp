#include "base/text.h"
#include "commands/location.h"
#include "commands/processes.h"
#include "commands/register_text.h"
#include "debugger/session.h"
#include "nt/processes.h"
#include "nt/thread_registers.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

Result<debugger::ProcessContext> process_context(Session& session, VirtAddr address) {
    nt::Kernel& kernel = session.kernel();
    POOLKD_TRY(const nt::Process process, nt::read_process(kernel, address));
    if (process.directory_base == 0)
        return fail(ErrorKind::not_found, "Process {} has no page tables", session.address_text(address));
    debugger::ProcessContext context;
    context.process = address;
    POOLKD_TRY(context.tables, session.target().page_tables(session.processor()));
    context.tables.cr3 = process.directory_base;
    // More than the lower half on x86 that gives programs 3 GB.
    const auto highest = kernel.read_pointer_global("MmHighestUserAddress");
    context.user_end = highest && *highest ? *highest + 1 : first_system_address;
    return context;
}

Result<void> refuse_32_bit_option(Arguments& arguments) {
    if (!arguments.take_option("w")) return {};
    return fail(ErrorKind::unsupported, "32-bit contexts of 64-bit systems are not supported");
}

/// "/p", "/P" (which translates more, as we always do) and "/r", in any order; true when one of them is a p.
bool take_process_option(Arguments& arguments) {
    bool process = false;
    for (bool more = true; more;) {
        const bool taken = arguments.take_option("p") || arguments.take_option("P");
        process |= taken;
        more = taken || arguments.take_option("r");
    }
    return process;
}

/// An address, or nothing at the end.
Result<std::optional<VirtAddr>> take_address(Session& session, Arguments& arguments) {
    if (arguments.done()) return std::nullopt;
    POOLKD_TRY(const VirtAddr address, session.address(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    return std::optional(address);
}

/// `u` and `d*` without an address begin at the new instruction pointer.
void look_at(Session& session, std::optional<debugger::RegisterContext> context) {
    session.look_at(std::move(context));
    session.display().next_code.reset();
    session.display().next_data.reset();
}

Result<void> run_process(Session& session, Arguments& arguments) {
    if (arguments.take_option("i"))
        return fail(ErrorKind::unsupported,
                    "Switching the target itself to a process (/i) is not supported: without /i "
                    "its memory can be looked at");
    (void)take_process_option(arguments);
    POOLKD_TRY(const auto address, take_address(session, arguments));
    std::optional<debugger::ProcessContext> context;
    if (address && address->value != 0) {
        POOLKD_TRY(context, process_context(session, *address));
    }
    session.look_at_process(context);
    POOLKD_TRY(const VirtAddr now, session.process_of_memory());
    if (arguments.json) {
        session.write_json(nlohmann::json{{"process", render::json_address(now)}});
    } else {
        session.print("Implicit process is now {}\n", session.address_text(now));
    }
    return {};
}

Result<void> run_thread(Session& session, Arguments& arguments) {
    const bool with_process = take_process_option(arguments);
    POOLKD_CHECK(refuse_32_bit_option(arguments));
    POOLKD_TRY(const auto address, take_address(session, arguments));
    nt::Kernel& kernel = session.kernel();
    std::optional<debugger::RegisterContext> context;
    std::optional<debugger::ProcessContext> process;
    if (address && address->value != 0) {
        POOLKD_TRY(const nt::Thread thread, nt::read_thread(kernel, *address, nt::running_threads(kernel)));
        POOLKD_TRY(RegisterFile registers, nt::thread_registers(kernel, thread));
        if (with_process) {
            POOLKD_TRY(process, process_context(session, thread.attached));
        }
        context = debugger::RegisterContext{std::move(registers), *address};
    }
    look_at(session, std::move(context));
    if (with_process) session.look_at_process(process);
    POOLKD_TRY(const VirtAddr now, session.current_thread());
    if (arguments.json) {
        session.write_json(nlohmann::json{{"thread", render::json_address(now)}});
    } else {
        session.print("Implicit thread is now {}\n", session.address_text(now));
    }
    return {};
}

nlohmann::json registers_json(Session& session, VirtAddr address, const RegisterFile& registers) {
    nlohmann::json values = nlohmann::json::object();
    for (const RegisterSlot& slot : registers.machine().registers)
        values[std::string(slot.name)] = fmt::format("{:#x}", registers.get(slot.name).value_or(0));
    return {{"address", render::json_address(address)},
            {"registers", std::move(values)},
            {"ip", render::json_address(registers.ip())},
            {"symbol", session.symbol_text(registers.ip())}};
}

using ReadRegisters = Result<RegisterFile> (*)(nt::Kernel&, VirtAddr);

/// Shows the registers of a record and looks at them from now on; without an address back to the processor's own.
Result<void> use_record(Session& session, Arguments& arguments, ReadRegisters read, bool partial) {
    POOLKD_TRY(const auto address, take_address(session, arguments));
    if (!address || address->value == 0) {
        look_at(session, std::nullopt);
        if (arguments.json) {
            session.write_json(nlohmann::json{{"address", nullptr}});
        } else {
            session.write("Resetting default scope\n");
        }
        return {};
    }
    POOLKD_TRY(RegisterFile registers, read(session.kernel(), *address));
    const VirtAddr thread = session.context() ? session.context()->thread : VirtAddr();
    look_at(session, debugger::RegisterContext{registers, thread});
    if (arguments.json) {
        nlohmann::json json = registers_json(session, *address, registers);
        json["partial"] = partial;
        session.write_json(std::move(json));
        return {};
    }
    if (partial)
        session.write("NOTE: The trap frame does not contain all registers.\n"
                      "Some register values may be zeroed or incorrect.\n");
    session.write(all_registers_text(registers));
    session.write(location_text(session, registers.ip()));
    return {};
}

Result<void> run_trap(Session& session, Arguments& arguments) {
    // Of x64 alone: the handlers of x86 store all of them.
    const bool partial = session.pointer_size() == 8;
    return use_record(session, arguments, nt::trap_frame_registers, partial);
}

Result<void> run_cxr(Session& session, Arguments& arguments) {
    if (arguments.take_option("f"))
        return fail(ErrorKind::unsupported, "Records of another size (/f) are not supported");
    POOLKD_CHECK(refuse_32_bit_option(arguments));
    return use_record(session, arguments, nt::context_record_registers, false);
}

} // namespace

void add_context_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".process"},
        .family = "Processes",
        .summary = "look at the memory of another process",
        .syntax = ".process [/p] [/r] [<address>]",
        .help = "User addresses are then read through the page tables of that process, on a live target by way of "
                "physical memory, until the target goes on; pages in transition are had. Nothing is written there, and "
                "no breakpoint set: over the link a write goes to the process that runs. Without an address back to "
                "that one.",
        .json = true,
        .run = run_process,
    });
    table.add(Command{
        .names = {".thread"},
        .family = "Processes",
        .summary = "look at the registers and the stack of another thread",
        .syntax = ".thread [/p] [/r] [<address>]",
        .help = "r, k, u, @$ip and @$thread are those of that thread, until the target goes on: of one that does not "
                "run the registers with which it goes on, as far as the switch saved them. /p chooses its process, "
                "too. Without an address back to the current thread. Steps remain the processor's.",
        .json = true,
        .run = run_thread,
    });
    table.add(Command{
        .names = {".trap"},
        .family = "Processes",
        .summary = "look at what a trap interrupted",
        .syntax = ".trap [<address of a _KTRAP_FRAME>]",
        .help = "Shows the registers; r and k are then those, until the target goes on. kv tells the addresses of trap "
                "frames. Without an address back to the processor's own.",
        .json = true,
        .run = run_trap,
    });
    table.add(Command{
        .names = {".cxr"},
        .family = "Processes",
        .summary = "look at the registers of a CONTEXT record",
        .syntax = ".cxr [<address>]",
        .help = "Shows the registers; r and k are then those, until the target goes on. Without an address back to the "
                "processor's own.",
        .json = true,
        .run = run_cxr,
    });
}

} // namespace poolkd::commands
