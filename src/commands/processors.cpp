#include "commands/processors.h"

#include "base/text.h"
#include "debugger/session.h"
#include "render/coverage.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

std::uint32_t processors_of(Session& session) {
    return session.target().identity().processors;
}

/// Where a processor stands and for whom.
struct Standing {
    VirtAddr ip;
    VirtAddr thread; ///< 0: not known
};

Result<Standing> standing_of(Session& session, std::uint32_t processor) {
    POOLKD_TRY(RegisterFile registers, session.registers(processor));
    Standing standing{.ip = registers.ip(), .thread = {}};
    nt::Kernel& kernel = session.kernel();
    if (auto block = kernel.processor_block(processor))
        if (auto thread = kernel.read_field("_KPRCB", *block, "CurrentThread"))
            standing.thread = kernel.machine().canonical(*thread);
    return standing;
}

Result<void> list_processors(Session& session, Arguments& arguments, std::uint32_t first, std::uint32_t end) {
    nlohmann::json json = nlohmann::json::array();
    for (std::uint32_t processor = first; processor < end; ++processor) {
        const bool current = processor == session.processor();
        auto standing = standing_of(session, processor);
        if (!standing) {
            // An image may lack the registers of some; a link that broke has none of any.
            if (standing.error().kind == ErrorKind::link) return std::unexpected(standing.error());
            if (arguments.json) {
                json.push_back({{"processor", processor}, {"current", current}, {"error", standing.error().message}});
            } else {
                session.print("{}{:>3}  {}\n", current ? '.' : ' ', processor, standing.error().message);
            }
            continue;
        }
        const std::string symbol = session.symbol_text(standing->ip);
        if (arguments.json) {
            json.push_back({{"processor", processor},
                            {"current", current},
                            {"ip", render::json_address(standing->ip)},
                            {"symbol", symbol}});
            if (standing->thread) json.back()["thread"] = render::json_address(standing->thread);
            continue;
        }
        session.print("{}{:>3}  {} {}{}\n", current ? '.' : ' ', processor, session.address_text(standing->ip), symbol,
                      standing->thread ? fmt::format("  thread {}", session.address_text(standing->thread)) : "");
    }
    if (arguments.json) session.write_json(nlohmann::json{{"processors", json}});
    return {};
}

Result<void> switch_to_processor(Session& session, std::uint32_t processor) {
    // In an image there is nobody to ask: what is known of the processor is looked at.
    if (!session.target().run_control()) {
        POOLKD_CHECK(session.target().registers(processor));
        session.set_processor(processor);
        session.note_stop();
        return {};
    }
    auto switched = session.controller().switch_processor(processor);
    session.note_stop(); // also after a failure: the target says who reports
    return switched;
}

/// `~`, `~1`, `~*`, `~.`, each alone or before a command that takes a processor; `~1s`.
Result<void> run_on_processors(Session& session, Arguments& arguments) {
    std::uint32_t first = 0, end = processors_of(session);
    std::string_view rest = arguments.rest();
    if (rest.starts_with('*')) {
        rest.remove_prefix(1);
    } else if (rest.starts_with('.')) {
        first = session.processor();
        end = first + 1;
        rest.remove_prefix(1);
    } else if (!rest.empty()) {
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        const auto number = decimal_number(rest.substr(0, digits));
        if (!number) return session.caret_error(arguments, "Syntax error");
        if (*number >= end) return fail(ErrorKind::not_found, "{} is not a valid processor number", *number);
        first = *number;
        end = first + 1;
        rest.remove_prefix(digits);
    }
    const std::string command(trim(rest));
    if (command.empty()) return list_processors(session, arguments, first, end);
    if (equals_ignore_case(command, "s")) {
        if (end != first + 1) return fail(ErrorKind::usage, "Which processor? ~1s");
        return switch_to_processor(session, first);
    }
    if (command.front() >= '0' && command.front() <= '9')
        return fail(ErrorKind::usage, "'{}' names a processor itself", command);
    for (std::uint32_t processor = first; processor < end; ++processor) {
        if (end != first + 1 && !arguments.json)
            POOLKD_CHECK(list_processors(session, arguments, processor, processor + 1));
        const std::string json = arguments.json && !session.json() ? " --json" : "";
        if (session.interpreter().run_block(fmt::format("{}{}{}", processor, command, json)) != debugger::Unwind::none)
            return {};
    }
    return {};
}

} // namespace

void add_processor_commands(debugger::CommandTable& table) {
    table.add({.names = {"~"},
               .family = "Registers",
               .summary = "list processors, switch to one, or look at one or all",
               .syntax = "~ | ~N | ~Ns | ~N|~*|~. Command",
               .help = "~ lists them with the place and thread of each; a point marks the current one. ~1s switches: "
                       "registers, memory and steps are then those of processor 1, until the target runs. ~1 k and ~* "
                       "r show another one's stack and registers, as 1k does.",
               .may_touch = true,
               .json = true,
               .run = run_on_processors});
}

} // namespace poolkd::commands
