#include "base/text.h"
#include "commands/script.h"
#include "commands/target_text.h"
#include "debugger/script_file.h"
#include "debugger/session.h"

#include <algorithm>
#include <cstdlib>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// The text of a form that takes it from somewhere else (`/x`, `/ma`, `/c`, …). Nothing: commands ended early.
Result<std::optional<std::string>> text_of_form(Session& session, std::string_view option, Arguments& arguments) {
    if (option == "/c") {
        auto output = session.interpreter().capture(arguments.take_rest());
        if (!output) return std::nullopt;
        // One line: behind a line end the text would be another command where the name stands.
        std::string text(trim(*output));
        std::ranges::replace(text, '\n', ' ');
        return text;
    }
    if (option == "/e") {
        const std::string name = arguments.text();
        const char* value = std::getenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): nothing sets variables
        if (!value) return fail(ErrorKind::not_found, "There is no environment variable '{}'", name);
        return value;
    }
    if (option == "/f") {
        POOLKD_TRY(std::string text, debugger::read_script(arguments.text(), session.script_folders()));
        return std::string(trim(text));
    }
    if (option == "/x") {
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        return fmt::format("0x{:x}", value);
    }
    POOLKD_TRY(VirtAddr address, session.address(arguments));
    return read_target_text(session, option.substr(1), address);
}

bool is_form(std::string_view option) {
    return option == "/c" || option == "/e" || option == "/f" || option == "/x" ||
           (option.starts_with('/') && is_target_text(option.substr(1)));
}

/// `as` keeps quotes around its text; for `aS` they only hold the `;` inside.
Result<void> set_alias(Session& session, Arguments& arguments, bool phrase) {
    arguments.skip_blanks();
    const Arguments start = arguments;
    const std::string_view first = arguments.word();
    const bool form = first.starts_with('/');
    if (form && !is_form(first)) return session.caret_error(start, "Syntax error");
    const std::string name(debugger::alias_name(form ? arguments.word() : first));
    if (name.empty() || arguments.done()) return session.caret_error(arguments, "Syntax error");
    std::optional<std::string> text;
    if (form) {
        POOLKD_TRY(text, text_of_form(session, first, arguments));
        POOLKD_CHECK(session.no_more(arguments));
        if (!text) return {};
    } else {
        if (phrase) text = arguments.quoted();
        const std::string rest(arguments.take_rest());
        text = text.value_or("") + rest;
    }
    session.aliases().set(name, std::move(*text));
    return {};
}

Result<void> delete_alias(Session& session, Arguments& arguments) {
    const std::string_view name = debugger::alias_name(arguments.word());
    POOLKD_CHECK(session.no_more(arguments));
    if (name == "*") {
        session.aliases().clear();
        return {};
    }
    if (session.aliases().remove(name)) return {};
    return fail(ErrorKind::not_found, "There is no alias '{}'", name);
}

Result<void> list_aliases(Session& session, Arguments& arguments) {
    POOLKD_CHECK(session.no_more(arguments));
    const debugger::Aliases& aliases = session.aliases();
    std::string rows;
    for (std::size_t i = 0; i < debugger::Aliases::fixed_names; ++i)
        if (const auto& text = aliases.fixed(i)) rows += fmt::format(" {:<16} {}\n", fmt::format("$u{}", i), *text);
    for (const auto& [name, text] : aliases.all())
        rows += fmt::format(" {:<16} {}\n", name, text);
    session.write(rows.empty() ? "No aliases\n" : "  Alias            Value\n -------          -------\n" + rows);
    return {};
}

} // namespace

void add_alias_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                   std::function<Result<void>(Session&, Arguments&)> run) {
        table.add(Command{.names = {name},
                          .family = "Scripts",
                          .summary = summary,
                          .syntax = syntax,
                          .help = help,
                          .needs_target = false,
                          .needs_stop = false,
                          .repeat = debugger::Repeat::never,
                          .run = std::move(run)});
    };
    add("as", "name a text that is then replaced in commands",
        "as Name Text, as /x Name Expression, as /ma Name Address ...",
        "The text is the rest of the line. /x: the value of an expression; /ma, /mu: the text at an address (ASCII, "
        "UTF-16); /msa, /msu: a counted string there; /e: an environment variable; /f: a file; /c: what commands "
        "print. "
        "Names are replaced when a line or a block is entered; ${Name} is replaced anywhere.",
        [](Session& s, Arguments& a) { return set_alias(s, a, false); });
    add("aS", "the same; a `;` ends the text", "aS Name Text, aS /x Name Expression ...", {},
        [](Session& s, Arguments& a) { return set_alias(s, a, true); });
    add("ad", "remove an alias, or all with *", "ad Name|*", {}, delete_alias);
    add("al", "list the aliases", "al", {}, list_aliases);
}

} // namespace poolkd::commands
