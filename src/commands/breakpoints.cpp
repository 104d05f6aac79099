#include "commands/breakpoints.h"

#include "debugger/session.h"
#include "render/coverage.h"

#include <charconv>

namespace poolkd::commands {

using control::Breakpoint;
using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

std::optional<std::uint32_t> decimal(std::string_view text) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

/// The id that touches the name: `bp3 nt!Foo`.
std::optional<std::uint32_t> touching_id(Arguments& arguments) {
    if (!arguments.touches_name()) return std::nullopt;
    const std::size_t start = arguments.position();
    std::string_view word = arguments.word();
    if (auto id = decimal(word)) return id;
    arguments.set_position(start);
    return std::nullopt;
}

Result<void> set(Session& session, Arguments& arguments, bool keeps_expression) {
    Breakpoint breakpoint;
    breakpoint.keeps_expression = keeps_expression;
    std::optional<std::uint32_t> id = touching_id(arguments);
    if (arguments.take_option("1")) breakpoint.one_shot = true;
    if (arguments.done()) return fail(ErrorKind::usage, "Where? bp Address [Passes] [\"commands\"]");
    arguments.skip_blanks();
    const std::size_t start = arguments.position();
    if (auto address = session.address(arguments)) {
        breakpoint.address = *address;
        breakpoint.expression = trim(arguments.command().substr(start, arguments.position() - start));
    } else {
        // Not a name that is known now: keep it for the module that may bring it.
        if (address.error().kind != ErrorKind::not_found && address.error().kind != ErrorKind::usage)
            return std::unexpected(address.error());
        arguments.set_position(start);
        breakpoint.expression = std::string(arguments.word());
        if (breakpoint.expression.find('!') == std::string::npos) return std::unexpected(address.error());
        breakpoint.keeps_expression = true;
        session.print("Bp expression '{}' could not be resolved, adding deferred bp\n", breakpoint.expression);
    }
    if (!arguments.done() && arguments.peek() != '"') {
        POOLKD_TRY(std::uint64_t passes, session.expression(arguments));
        if (passes == 0 || passes > 0x7fffffff) return fail(ErrorKind::usage, "A pass count is at least 1");
        breakpoint.passes = breakpoint.passes_left = static_cast<std::uint32_t>(passes);
    }
    if (auto command = arguments.quoted()) breakpoint.command = std::move(*command);
    POOLKD_CHECK(session.no_more(arguments));
    POOLKD_TRY(control::Breakpoints::Added added, session.controller().breakpoints().add(std::move(breakpoint), id));
    if (added.redefined) session.print("breakpoint {} redefined\n", added.id);
    return {};
}

std::string row(Session& session, const Breakpoint& b) {
    const std::string address =
        b.address ? session.address_text(*b.address) : std::string(session.pointer_size() == 8 ? 17 : 8, ' ');
    std::string symbol = b.address ? session.symbol_text(*b.address) : fmt::format("({})", b.expression);
    std::string text = fmt::format("{:>2} {}{} {}     {:04x} ({:04x}) {}", b.id, b.enabled ? 'e' : 'd',
                                   b.address ? "" : "u", address, b.passes_left, b.passes, symbol);
    if (!b.command.empty()) text += fmt::format(" \"{}\"", b.command);
    return text;
}

Result<void> list(Session& session, Arguments& arguments) {
    nlohmann::json json = nlohmann::json::array();
    for (const Breakpoint& b : session.controller().breakpoints().all()) {
        if (b.internal) continue;
        if (!arguments.json) {
            session.print("{}\n", row(session, b));
            continue;
        }
        json.push_back({{"id", b.id},
                        {"enabled", b.enabled},
                        {"expression", b.expression},
                        {"command", b.command},
                        {"passes", b.passes},
                        {"passes_left", b.passes_left}});
        if (b.address) json.back()["address"] = render::json_address(*b.address);
    }
    if (arguments.json) session.write_json(nlohmann::json{{"breakpoints", json}});
    return {};
}

/// `0`, `0 2`, `0-3`, `*`.
Result<std::vector<std::uint32_t>> ids(Session& session, Arguments& arguments) {
    std::vector<std::uint32_t> wanted;
    auto& breakpoints = session.controller().breakpoints();
    auto add_range = [&](std::uint32_t first, std::uint32_t last) {
        for (const Breakpoint& b : breakpoints.all())
            if (!b.internal && b.id >= first && b.id <= last) wanted.push_back(b.id);
    };
    if (arguments.done()) return fail(ErrorKind::usage, "Which breakpoint? A number, a range, or *");
    while (!arguments.done()) {
        std::string_view word = arguments.word();
        if (word == "*") {
            add_range(0, UINT32_MAX);
            continue;
        }
        std::size_t dash = word.find('-');
        auto first = decimal(word.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : decimal(word.substr(dash + 1));
        if (!first || !last) return fail(ErrorKind::usage, "'{}' is no breakpoint number", word);
        if (dash == std::string_view::npos && !breakpoints.find(*first))
            return fail(ErrorKind::not_found, "There is no breakpoint {}", *first);
        add_range(*first, *last);
    }
    return wanted;
}

Result<void> for_each(Session& session, Arguments& arguments, const std::function<Result<void>(std::uint32_t)>& act) {
    POOLKD_TRY(std::vector<std::uint32_t> wanted, ids(session, arguments));
    for (std::uint32_t id : wanted)
        POOLKD_CHECK(act(id));
    return {};
}

} // namespace

void add_breakpoint_commands(debugger::CommandTable& table) {
    auto command = [](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                      std::function<Result<void>(Session&, Arguments&)> run) {
        return Command{.names = {name},
                       .family = "Breakpoints",
                       .summary = summary,
                       .syntax = syntax,
                       .help = help,
                       .may_touch = true,
                       .run = std::move(run)};
    };
    table.add(command("bp", "stop at an address", "bp[ID] [/1] Address [Passes] [\"commands\"]",
                      "/1 stops once. Commands run at the hit; `g` or `gc` at their end lets the target go on. A name "
                      "that is not known yet becomes "
                      "a `bu`. At most 32.",
                      [](Session& s, Arguments& a) { return set(s, a, false); }));
    table.add(command("bu", "stop at a name, whenever its module is loaded",
                      "bu[ID] [/1] Module!Name [Passes] [\"commands\"]", {},
                      [](Session& s, Arguments& a) { return set(s, a, true); }));
    Command bl = command("bl", "list breakpoints", "bl", {}, list);
    bl.json = true;
    table.add(std::move(bl));
    table.add(command("bc", "forget breakpoints", "bc ID|First-Last|* ...", {}, [](Session& s, Arguments& a) {
        return for_each(s, a, [&](std::uint32_t id) { return s.controller().breakpoints().remove(id); });
    }));
    table.add(command("bd", "disable breakpoints", "bd ID|First-Last|* ...", {}, [](Session& s, Arguments& a) {
        return for_each(s, a, [&](std::uint32_t id) { return s.controller().breakpoints().enable(id, false); });
    }));
    table.add(command("be", "enable breakpoints", "be ID|First-Last|* ...", {}, [](Session& s, Arguments& a) {
        return for_each(s, a, [&](std::uint32_t id) { return s.controller().breakpoints().enable(id, true); });
    }));
}

} // namespace poolkd::commands
