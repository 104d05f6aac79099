#include "base/tag.h"
#include "commands/general.h"
#include "commands/tag_argument.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

/// In memory order, without the zeros behind them that a constant of fewer than four characters has.
std::string characters(PoolTag tag) {
    std::string text;
    for (unsigned i = 0; i < 4; ++i)
        text += static_cast<char>(tag.value >> (8 * i) & 0xff);
    text.erase(text.find_last_not_of('\0') + 1);
    return text;
}

/// What somebody meant who wrote this one the wrong way round.
PoolTag turned_round(PoolTag tag) {
    std::string text = characters(tag);
    std::ranges::reverse(text);
    return PoolTag::from_text(text).value_or(tag);
}

/// Tags begin with a capital and end in blanks by convention; one that shows it at the wrong end was most likely
/// written the wrong way round.
bool reads_backwards(PoolTag tag) {
    const std::string text = characters(tag);
    if (text.empty()) return false;
    char first = text.front();
    char last = text.back();
    if (first == ' ') return last != ' ';
    return !is_upper(first) && is_upper(last);
}

std::string constant(PoolTag tag) {
    return "'" + tag.reversed().text() + "'";
}

void show(Session& session, PoolTag whole) {
    PoolTag tag = whole.bare();
    std::string bytes;
    for (unsigned i = 0; i < 4; ++i)
        bytes += fmt::format("{}{:02x}", i ? " " : "", tag.value >> (8 * i) & 0xff);
    session.print("Tag        \"{}\"{}\n", tag.text(), whole.is_protected() ? " (Protected)" : "");
    session.print("Bytes      {}\n", bytes);
    session.print("Number     {:08x}\n", tag.value);
    session.print("Protected  {:08x}\n", tag.value | PoolTag::protected_bit);
    if (tag.printable() && tag.text().find('\'') == std::string::npos) {
        session.print("To write   ed nt!PoolHitTag {}\n", constant(tag));
        session.print("To find    !poolfind -tag \"{}\"\n", tag.text());
    } else {
        session.print("To write   ed nt!PoolHitTag {:x}\n", tag.value);
    }
    if (reads_backwards(tag))
        session.print("Warning: this tag reads backwards. For \"{}\" write {}.\n", turned_round(tag).text(),
                      constant(turned_round(tag)));
}

nlohmann::json as_json(PoolTag whole) {
    PoolTag tag = whole.bare();
    return {{"tag", tag.text()},
            {"number", fmt::format("0x{:08x}", tag.value)},
            {"constant", constant(tag)},
            {"protected", whole.is_protected()},
            {"reads_backwards", reads_backwards(tag)}};
}

Result<void> run_tag(Session& session, Arguments& arguments) {
    PoolTag tag;
    if (arguments.done()) {
        if (!session.has_target()) return session.caret_error(arguments, "Syntax error");
        POOLKD_TRY(std::uint64_t value, session.kernel().read_global("PoolHitTag", 4));
        tag = PoolTag(static_cast<std::uint32_t>(value));
        if (!arguments.json) session.write("nt!PoolHitTag holds:\n");
    } else {
        POOLKD_TRY(tag, tag_argument(session, arguments, SingleQuotes::constant));
        POOLKD_CHECK(session.no_more(arguments));
    }
    session.expressions().set_extension_value(tag.bare().value); // a script's way from characters to the number
    if (arguments.json) {
        session.write_json(as_json(tag));
    } else {
        show(session, tag);
    }
    return {};
}

} // namespace

void add_tag_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {".tag"},
        .family = "Pool",
        .summary = "show every form of a pool tag, and warn when it reads backwards",
        .syntax = ".tag [<characters> | \"<characters>\" | '<constant>' | 0x<number> | <symbol>]",
        .help =
            "Abc and \"Abc \" are the tag's characters as !poolused shows them; ' cbA' is the constant that ed takes, "
            "written backwards; a number has 8 digits or begins with 0x; nt!PoolHitTag is read from the target. Alone "
            "it shows what nt!PoolHitTag holds. $extret is then the number.",
        .needs_target = false,
        .json = true,
        .run = run_tag,
    });
}

} // namespace poolkd::commands
