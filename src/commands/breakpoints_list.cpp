#include "base/text.h"
#include "commands/breakpoint_ids.h"
#include "commands/breakpoints.h"
#include "debugger/lexer.h"
#include "debugger/session.h"
#include "render/coverage.h"

namespace poolkd::commands {

using control::Breakpoint;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

std::string breakpoint_row(Session& session, const Breakpoint& b) {
    const std::string address =
        b.address ? session.address_text(*b.address) : std::string(session.pointer_size() == 8 ? 16 : 7, ' ');
    const std::string watch = b.watch ? fmt::format("{} {}", control::letter_of(b.watch->kind), b.watch->size) : "";
    const std::string symbol = b.address ? session.symbol_text(*b.address) : fmt::format("({})", b.expression);
    std::string text = fmt::format("{:>2} {}{} {} {:<3} {:04x} ({:04x}) {}", b.id, b.enabled ? 'e' : 'd',
                                   b.address ? "" : "u", address, watch, b.passes_left, b.passes, symbol);
    if (!b.command.empty()) text += fmt::format(" \"{}\"", b.command);
    text += '\n';
    if (b.thread) text += fmt::format("     Match thread data {}\n", session.address_text(b.thread));
    if (b.process) text += fmt::format("     Match process data {}\n", session.address_text(b.process));
    if (!b.condition.empty()) text += fmt::format("     Condition: {}\n", b.condition);
    return text;
}

nlohmann::json breakpoint_json(const Breakpoint& b) {
    nlohmann::json json{{"id", b.id},           {"enabled", b.enabled}, {"expression", b.expression},
                        {"command", b.command}, {"passes", b.passes},   {"passes_left", b.passes_left}};
    if (b.address) json["address"] = render::json_address(*b.address);
    if (b.watch) {
        json["access"] = std::string(1, control::letter_of(b.watch->kind));
        json["size"] = b.watch->size;
    }
    if (b.thread) json["thread"] = render::json_address(b.thread);
    if (b.process) json["process"] = render::json_address(b.process);
    if (!b.condition.empty()) json["condition"] = b.condition;
    if (b.one_shot) json["one_shot"] = true;
    return json;
}

Result<void> list_breakpoints(Session& session, Arguments& arguments) {
    auto& breakpoints = session.controller().breakpoints();
    std::vector<std::uint32_t> wanted;
    if (arguments.done()) {
        for (const Breakpoint& b : breakpoints.all())
            if (!b.internal) wanted.push_back(b.id);
    } else {
        POOLKD_TRY(wanted, breakpoint_ids(session, arguments));
    }
    nlohmann::json json = nlohmann::json::array();
    for (std::uint32_t id : wanted) {
        if (arguments.json) {
            json.push_back(breakpoint_json(*breakpoints.find(id)));
        } else {
            session.write(breakpoint_row(session, *breakpoints.find(id)));
        }
    }
    if (arguments.json) session.write_json(nlohmann::json{{"breakpoints", json}});
    return {};
}

/// As it stands between quotes: what would be read as an escape there gets one of its own.
std::string escaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool ends = at + 1 == text.size(); // the closing quote stands behind it
        if (text[at] == '"' || debugger::is_escape(text, at) || (text[at] == '\\' && ends)) out += '\\';
        out += text[at];
    }
    return out;
}

/// `.bpcmds`: what would set each again.
std::string recreating_text(Session& session, const Breakpoint& b) {
    std::string text = b.watch ? fmt::format("ba{} {}{}", b.id, control::letter_of(b.watch->kind), b.watch->size)
                               : fmt::format("{}{}", b.keeps_expression ? "bu" : "bp", b.id);
    if (b.one_shot) text += " /1";
    if (b.process) text += fmt::format(" /p {:#x}", b.process.value);
    if (b.thread) text += fmt::format(" /t {:#x}", b.thread.value);
    if (!b.condition.empty()) text += fmt::format(" /w \"{}\"", escaped(b.condition));
    text +=
        b.keeps_expression || !b.address ? " " + b.expression : fmt::format(" 0x{}", session.address_text(*b.address));
    if (b.passes > 1) text += fmt::format(" {:#x}", b.passes);
    if (!b.command.empty()) text += fmt::format(" \"{}\"", escaped(b.command));
    return text + " ;\n";
}

Result<void> list_recreating(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    for (const Breakpoint& b : session.controller().breakpoints().all())
        if (!b.internal) session.write(recreating_text(session, b));
    return {};
}

using Act = std::function<Result<void>(control::Breakpoints&, std::uint32_t)>;

Command acting_on_ids(std::string_view name, std::string_view summary, std::string_view syntax, Act act) {
    return {.names = {name},
            .family = "Breakpoints",
            .summary = summary,
            .syntax = syntax,
            .help = "IDs: numbers, ranges (0-3), * for all, [expression], or \"pattern\" on the names.",
            .may_touch = true,
            .run = [act = std::move(act)](Session& session, Arguments& arguments) -> Result<void> {
                POOLKD_TRY(std::vector<std::uint32_t> wanted, breakpoint_ids(session, arguments));
                for (std::uint32_t id : wanted)
                    POOLKD_CHECK(act(session.controller().breakpoints(), id));
                return {};
            }};
}

Result<void> renumber_breakpoints(Session& session, Arguments& arguments) {
    if (arguments.done()) return fail(ErrorKind::usage, "br takes pairs of numbers: br OldID NewID");
    while (!arguments.done()) {
        auto from = decimal_number(arguments.word());
        auto to = decimal_number(arguments.word());
        if (!from || !to) return fail(ErrorKind::usage, "br takes pairs of numbers: br OldID NewID");
        POOLKD_CHECK(session.controller().breakpoints().renumber(*from, *to));
    }
    return {};
}

Result<void> change_breakpoint_commands(Session& session, Arguments& arguments) {
    const std::string_view word = arguments.word();
    auto id = decimal_number(word);
    control::Breakpoint* found = id ? session.controller().breakpoints().find(*id) : nullptr;
    if (!id || !found || found->internal) return fail(ErrorKind::not_found, "There is no breakpoint {}", word);
    std::string command = arguments.quoted_commands().value_or("");
    POOLKD_CHECK(session.no_more(arguments));
    found->command = std::move(command);
    return {};
}

} // namespace

void add_breakpoint_list_commands(debugger::CommandTable& table) {
    table.add({.names = {"bl"},
               .family = "Breakpoints",
               .summary = "list breakpoints",
               .syntax = "bl [IDs]",
               .help = "Number, e or d (enabled or not), u while its name is not known, address, access and size of "
                       "`ba`, passes left (of all), place, commands.",
               .may_touch = true,
               .json = true,
               .run = list_breakpoints});
    table.add({.names = {".bpcmds"},
               .family = "Breakpoints",
               .summary = "the commands that set the breakpoints again",
               .syntax = ".bpcmds",
               .run = list_recreating});
    table.add(acting_on_ids("bc", "forget breakpoints", "bc IDs",
                            [](control::Breakpoints& all, std::uint32_t id) { return all.remove(id); }));
    table.add(acting_on_ids("bd", "disable breakpoints", "bd IDs",
                            [](control::Breakpoints& all, std::uint32_t id) { return all.enable(id, false); }));
    table.add(acting_on_ids("be", "enable breakpoints", "be IDs",
                            [](control::Breakpoints& all, std::uint32_t id) { return all.enable(id, true); }));
    table.add({.names = {"br"},
               .family = "Breakpoints",
               .summary = "give breakpoints other numbers",
               .syntax = "br OldID NewID [...]",
               .run = renumber_breakpoints});
    table.add({.names = {"bs"},
               .family = "Breakpoints",
               .summary = "replace the commands of a breakpoint",
               .syntax = "bs ID [\"commands\"]",
               .may_touch = true,
               .run = change_breakpoint_commands});
}

} // namespace poolkd::commands
