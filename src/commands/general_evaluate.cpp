#include "commands/general.h"
#include "commands/memory_rows.h"

#include <bit>
#include <ctime>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// "2.81769e+020": exponents of three digits, as the vendor's C library prints them.
std::string general_number(double value) {
    std::string text = fmt::format("{:g}", value);
    std::size_t e = text.find('e');
    if (e != std::string::npos && text.size() - e == 4) text.insert(e + 2, "0");
    return text;
}

std::string time_line(std::int64_t seconds, std::string_view suffix) {
    std::tm parts{};
    auto when = static_cast<std::time_t>(seconds);
    if (!gmtime_r(&when, &parts)) return "***** Invalid";
    char text[64];
    if (std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &parts) == 0) return "***** Invalid";
    return fmt::format("{}{}", text, suffix);
}

/// A value of 32 bits is seconds since 1970; a larger one 100 ns since 1601, as Windows counts.
std::string as_time(std::uint64_t value) {
    constexpr std::uint64_t per_second = 10'000'000;
    constexpr std::int64_t from_1601_to_1970 = 11'644'473'600;
    if (value <= 0xffffffff) return time_line(static_cast<std::int64_t>(value), "");
    if (value > 0x7fffffffffffffff) return "***** Invalid FILETIME";
    return time_line(static_cast<std::int64_t>(value / per_second) - from_1601_to_1970, " (UTC)");
}

Result<void> run_evaluate(Session& session, Arguments& arguments) {
    if (arguments.done()) {
        session.write(debugger::help_overview(session.commands()));
        return {};
    }
    POOLKD_TRY(std::uint64_t value, session.expression(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    session.expressions().set_last_value(value);
    if (session.pointer_size() == 4) {
        auto low = static_cast<std::uint32_t>(value);
        session.print("Evaluate expression: {} = {:08x}\n", static_cast<std::int32_t>(low), low);
    } else {
        session.print("Evaluate expression: {} = {}\n", static_cast<std::int64_t>(value), format_address(value));
    }
    return {};
}

Result<void> run_formats(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::uint64_t value, session.expression(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    session.write(formats_text(value, session.pointer_size()));
    return {};
}

Result<void> run_radix(Session& session, Arguments& arguments) {
    if (!arguments.done()) {
        // The argument is decimal, whatever the radix is now.
        Arguments here = arguments;
        std::string_view word = arguments.word();
        POOLKD_CHECK(session.no_more(arguments));
        if (word != "8" && word != "10" && word != "16") return session.caret_error(here, "Syntax error");
        session.expressions().set_radix(word == "8" ? 8 : word == "10" ? 10 : 16);
    }
    session.print("base is {}\n", session.expressions().radix());
    return {};
}

} // namespace

std::string formats_text(std::uint64_t value, unsigned pointer_size) {
    const bool wide = pointer_size == 8;
    const unsigned bytes = wide ? 8 : 4;
    if (!wide) value &= 0xffffffff;
    auto decimal =
        wide ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
    std::string binary;
    std::string characters;
    for (unsigned i = bytes; i-- > 0;) {
        auto byte = static_cast<std::uint32_t>(value >> (8 * i) & 0xff);
        binary += fmt::format(" {:08b}", byte);
        characters += shown(byte);
    }
    return fmt::format(
        "Evaluate expression:\n"
        "  Hex:     {}\n"
        "  Decimal: {}\n"
        "  Octal:   {:0{}o}\n"
        "  Binary: {}\n"
        "  Chars:   {}\n"
        "  Time:    {}\n"
        "  Float:   low {} high {}\n"
        "  Double:  {}\n",
        format_address(value, pointer_size), decimal, value, wide ? 22 : 11, binary, characters, as_time(value),
        general_number(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(value)))),
        general_number(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(value >> 32)))),
        general_number(std::bit_cast<double>(value)));
}

void add_evaluate_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"?"},
        .family = "General",
        .summary = "evaluate an expression; alone: list the commands",
        .syntax = "? [<expression>]",
        .help =
            "Numbers are hex unless n says otherwise or a prefix does (0n decimal, 0t octal, 0y binary). Operators: "
            "+ - * / mod << >> = < > and or xor, poi() by() wo() dwo() qwo(), not hi low.",
        .may_touch = true,
        .needs_target = false,
        .needs_stop = false,
        .run = run_evaluate,
    });
    table.add(Command{
        .names = {".formats"},
        .family = "General",
        .summary = "show a value in every number format",
        .syntax = ".formats <expression>",
        .help =
            "Chars shows the most significant byte first, so a pool tag reads backwards there; .tag shows it right.",
        .needs_target = false,
        .run = run_formats,
    });
    table.add(Command{
        .names = {"n"},
        .family = "General",
        .summary = "show or set the number base",
        .syntax = "n [8|10|16]",
        .may_touch = true,
        .needs_target = false,
        .run = run_radix,
    });
}

} // namespace poolkd::commands
