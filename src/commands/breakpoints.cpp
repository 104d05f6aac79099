#include "commands/breakpoints.h"

#include "base/text.h"
#include "commands/breakpoint_ids.h"
#include "debugger/session.h"

namespace poolkd::commands {

using control::Breakpoint;
using control::Watch;
using control::WatchKind;
using debugger::Arguments;
using debugger::Command;
using debugger::CommandOption;
using debugger::Session;

namespace {

constexpr std::uint64_t most_passes = 0x7fffffff;

/// The id that touches the name: `bp3 nt!Foo`.
std::optional<std::uint32_t> touching_id(Arguments& arguments) {
    if (!arguments.touches_name()) return std::nullopt;
    const std::size_t start = arguments.position();
    if (auto id = decimal_number(arguments.word())) return id;
    arguments.set_position(start);
    return std::nullopt;
}

/// The value of an option: one word, since what follows may begin with a slash; in parentheses any expression.
Result<VirtAddr> option_address(Session& session, Arguments& arguments) {
    if (arguments.peek() == '(') return session.address(arguments);
    POOLKD_TRY(const std::uint64_t value, session.evaluate_text(arguments.word()));
    return session.kernel().machine().canonical(value);
}

/// `/1`, `/p`, `/t` and `/w`, in any order.
Result<void> take_breakpoint_options(Session& session, Arguments& arguments, Breakpoint& breakpoint) {
    while (arguments.peek() == '/') {
        if (arguments.take_option("1")) {
            breakpoint.one_shot = true;
        } else if (arguments.take_option("p")) {
            POOLKD_TRY(breakpoint.process, option_address(session, arguments));
        } else if (arguments.take_option("t")) {
            POOLKD_TRY(breakpoint.thread, option_address(session, arguments));
        } else if (arguments.take_option("w")) {
            auto condition = arguments.quoted_commands();
            if (!condition || trim(*condition).empty())
                return fail(ErrorKind::usage, "/w takes a condition in quotation marks");
            breakpoint.condition = std::move(*condition);
        } else {
            return fail(ErrorKind::usage, "A breakpoint does not know the option '{}'", arguments.word());
        }
    }
    return {};
}

/// `[Passes] ["commands"]` up to the end of the command.
Result<void> take_tail(Session& session, Arguments& arguments, Breakpoint& breakpoint) {
    if (!arguments.done() && arguments.peek() != '"') {
        POOLKD_TRY(std::uint64_t passes, session.expression(arguments));
        if (passes == 0 || passes > most_passes) return fail(ErrorKind::usage, "A pass count is at least 1");
        breakpoint.passes = breakpoint.passes_left = static_cast<std::uint32_t>(passes);
    }
    if (auto command = arguments.quoted_commands()) breakpoint.command = std::move(*command);
    return session.no_more(arguments);
}

/// The address, or the name of something that may still come: kd defers such a breakpoint.
Result<void> take_place(Session& session, Arguments& arguments, Breakpoint& breakpoint) {
    arguments.skip_blanks();
    if (arguments.done() || arguments.peek() == '"') {
        POOLKD_TRY(RegisterFile registers, session.registers());
        POOLKD_CHECK(session.may_write(registers.ip()));
        breakpoint.address = registers.ip();
        return {};
    }
    const std::size_t start = arguments.position();
    auto address = session.address(arguments);
    if (address) {
        POOLKD_CHECK(session.may_write(*address));
        breakpoint.address = *address;
        breakpoint.expression = trim(arguments.command().substr(start, arguments.position() - start));
        return {};
    }
    if (address.error().kind != ErrorKind::not_found && address.error().kind != ErrorKind::usage)
        return std::unexpected(address.error());
    arguments.set_position(start);
    breakpoint.expression = std::string(arguments.word());
    if (breakpoint.expression.find('!') == std::string::npos) return std::unexpected(address.error());
    breakpoint.keeps_expression = true;
    return {};
}

Result<void> add_breakpoint(Session& session, Breakpoint breakpoint, std::optional<std::uint32_t> id) {
    const bool deferred = !breakpoint.address;
    const std::string expression = breakpoint.expression;
    POOLKD_TRY(control::Breakpoints::Added added, session.controller().breakpoints().add(std::move(breakpoint), id));
    if (deferred) session.print("Bp expression '{}' could not be resolved, adding deferred bp\n", expression);
    if (added.redefined) session.print("breakpoint {} redefined\n", added.id);
    return {};
}

Result<void> set_breakpoint(Session& session, Arguments& arguments, bool keeps_expression) {
    Breakpoint breakpoint;
    breakpoint.keeps_expression = keeps_expression;
    const std::optional<std::uint32_t> id = touching_id(arguments);
    POOLKD_CHECK(take_breakpoint_options(session, arguments, breakpoint));
    if (keeps_expression && arguments.done()) return fail(ErrorKind::usage, "Where? bu Module!Name [Passes]");
    POOLKD_CHECK(take_place(session, arguments, breakpoint));
    POOLKD_CHECK(take_tail(session, arguments, breakpoint));
    return add_breakpoint(session, std::move(breakpoint), id);
}

/// `e1`, `r 4`.
Result<Watch> take_watch(Arguments& arguments) {
    const auto usage = [] {
        return fail(ErrorKind::usage, "ba takes e, r, w or i and a size: ba w4 Address, ba e1 Address");
    };
    Watch watch;
    if (arguments.take("e")) {
        watch.kind = WatchKind::execute;
    } else if (arguments.take("r")) {
        watch.kind = WatchKind::access;
    } else if (arguments.take("w")) {
        watch.kind = WatchKind::write;
    } else if (arguments.take("i")) {
        watch.kind = WatchKind::io;
    } else {
        return usage();
    }
    const auto size = decimal_number(arguments.word());
    if (!size || *size > 8) return usage();
    watch.size = static_cast<std::uint8_t>(*size);
    return watch;
}

Result<void> set_watch(Session& session, Arguments& arguments) {
    Breakpoint breakpoint;
    const std::optional<std::uint32_t> id = touching_id(arguments);
    POOLKD_TRY(breakpoint.watch, take_watch(arguments));
    POOLKD_CHECK(take_breakpoint_options(session, arguments, breakpoint));
    if (arguments.done()) return fail(ErrorKind::usage, "Where? ba w4 Address [Passes] [\"commands\"]");
    POOLKD_CHECK(take_place(session, arguments, breakpoint));
    POOLKD_CHECK(take_tail(session, arguments, breakpoint));
    return add_breakpoint(session, std::move(breakpoint), id);
}

struct SymbolMatch {
    std::string name;
    VirtAddr address;
};

/// The symbols of "module!pattern", each place once.
Result<std::vector<SymbolMatch>> matching_symbols(Session& session, std::string_view pattern, bool data) {
    const std::size_t bang = pattern.find('!');
    if (bang == std::string_view::npos) return fail(ErrorKind::usage, "Which module? bm Module!Pattern");
    nt::Modules& modules = session.kernel().modules();
    std::vector<SymbolMatch> found;
    for (const auto& module : modules.loaded()) {
        if (!wildcard_match(pattern.substr(0, bang), module->name)) continue;
        symbols::ModuleSymbols* source = modules.symbols(*module);
        if (!source) continue;
        constexpr std::size_t looked_at = 10000; // most of them may be data
        for (const symbols::Symbol& symbol : source->match(pattern.substr(bang + 1), looked_at)) {
            const bool new_place =
                std::ranges::find(found, module->base + symbol.rva, &SymbolMatch::address) == found.end();
            if ((symbol.is_code || data) && new_place)
                found.push_back({module->name + "!" + symbol.name, module->base + symbol.rva});
        }
        if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped; no breakpoint was set");
    }
    return found;
}

Result<void> set_matching(Session& session, Arguments& arguments) {
    Breakpoint pattern;
    bool data = false, by_address = false;
    while (arguments.peek() == '/') {
        const std::size_t before = arguments.position();
        if (arguments.take_option("a")) data = true;
        if (arguments.take_option("d")) by_address = true;
        if (arguments.position() != before) continue;
        POOLKD_CHECK(take_breakpoint_options(session, arguments, pattern));
    }
    const std::string name = arguments.text();
    if (name.empty()) return fail(ErrorKind::usage, "Which names? bm Module!Pattern [Passes] [\"commands\"]");
    POOLKD_CHECK(take_tail(session, arguments, pattern));
    POOLKD_TRY(std::vector<SymbolMatch> found, matching_symbols(session, name, data));
    if (found.empty())
        return fail(ErrorKind::not_found, "No matching {}symbols found, no breakpoints set.", data ? "" : "code ");
    auto& breakpoints = session.controller().breakpoints();
    if (found.size() > control::Breakpoints::limit)
        return fail(ErrorKind::refused, "{} symbols match, and only {} breakpoints are possible; none was set",
                    found.size(), control::Breakpoints::limit);
    std::vector<std::uint32_t> new_ids;
    std::string lines;
    for (const SymbolMatch& match : found) {
        Breakpoint breakpoint = pattern;
        breakpoint.expression = match.name;
        breakpoint.address = match.address;
        breakpoint.keeps_expression = !by_address;
        auto added = breakpoints.add(std::move(breakpoint), std::nullopt);
        if (!added) {
            for (std::uint32_t id : new_ids) // all or none
                (void)breakpoints.remove(id);
            return std::unexpected(added.error());
        }
        if (!added->redefined) new_ids.push_back(added->id);
        lines += fmt::format("{:>3}: {} @!\"{}\"\n", added->id, session.address_text(match.address), match.name);
    }
    session.write(lines);
    return {};
}

std::vector<CommandOption> breakpoint_options() {
    return {{"/1", "stops once"},
            {"/p EPROCESS", "only in this process"},
            {"/t ETHREAD", "only in this thread"},
            {"/w \"condition\"", "only when this expression is not 0"}};
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
                       .options = breakpoint_options(),
                       .may_touch = true,
                       .run = std::move(run)};
    };
    table.add(command(
        "bp", "stop at an address", "bp[ID] [options] [Address [Passes]] [\"commands\"]",
        "Without an address it stands at the current instruction. Passes: stop at that many hits under `g`. Commands "
        "run at the hit; one that lets the target go on ends them: `gc` goes on the way that was interrupted, so that "
        "a step stays a step. A condition: bp Address \"j (@rcx = 0) 'k; gc'; 'gc'\" or \".if (@rcx = 0) {k}; gc\". A "
        "name that is not known yet becomes a `bu`. At most 32.",
        [](Session& s, Arguments& a) { return set_breakpoint(s, a, false); }));
    table.add(command("bu", "stop at a name, whenever its module is loaded",
                      "bu[ID] [options] Module!Name [Passes] [\"commands\"]",
                      "The name is looked up again when modules come and go.",
                      [](Session& s, Arguments& a) { return set_breakpoint(s, a, true); }));
    Command bm = command(
        "bm", "stop at every function whose name matches", "bm [options] Module!Pattern [Passes] [\"commands\"]",
        "Sets one `bu` for each match and lists them. None is set when more than 32 match.", set_matching);
    bm.options.push_back({"/a", "also at symbols that are no code"});
    bm.options.push_back({"/d", "keep the addresses, not the names"});
    table.add(std::move(bm));
    table.add(command(
        "ba", "stop when the processor runs, reads or writes an address",
        "ba[ID] e|r|w|i Size [options] Address [Passes] [\"commands\"]",
        "Uses one of the four debug registers of every processor, so it also works in code that cannot be written. e: "
        "execution (size 1); w: write; r: read or write; i: I/O port (x86). Size 1, 2, 4 or (x64) 8; the address is a "
        "multiple of it. Reads and writes stop after the access.",
        set_watch));
}

} // namespace poolkd::commands
