#include "commands/printf_format.h"
#include "commands/script.h"
#include "debugger/session.h"

#include <nlohmann/json.hpp>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

Result<void> print(Session& session, const Arguments& arguments, const std::string& text) {
    if (arguments.json) {
        session.write_json({{"text", text}});
    } else {
        session.write(text);
    }
    return {};
}

Result<void> run_echo(Session& session, Arguments& arguments) {
    const Arguments whole = arguments;
    auto quoted = arguments.quoted();
    const std::string text = quoted && arguments.done() ? *quoted : std::string(Arguments(whole).take_rest());
    return print(session, arguments, arguments.json ? text : text + "\n");
}

/// With /D the text may hold links and colours of kd's markup; only what they enclose is shown.
std::string without_markup(std::string_view text) {
    struct Entity {
        std::string_view name;
        char character;
    };
    static constexpr Entity entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&amp;", '&'}};
    std::string out;
    while (!text.empty()) {
        const std::size_t close = text.front() == '<' ? text.find('>') : std::string_view::npos;
        if (close != std::string_view::npos) {
            text.remove_prefix(close + 1);
            continue;
        }
        auto entity = std::ranges::find_if(entities, [&](const Entity& e) { return text.starts_with(e.name); });
        const bool known = entity != std::end(entities);
        out += known ? entity->character : text.front();
        text.remove_prefix(known ? entity->name.size() : 1);
    }
    return out;
}

Result<void> run_printf(Session& session, Arguments& arguments) {
    bool markup = false;
    for (bool option = true; option;) {
        const bool is_markup = arguments.take_option("D");
        markup = markup || is_markup;
        option = is_markup;
        // Kinds of output that only the vendor's windows tell apart.
        for (std::string_view kind : {"o", "oi", "od", "oD", "oe", "on", "op", "or", "os", "ov", "ow"})
            option = option || arguments.take_option(kind);
    }
    Arguments at_format = arguments;
    auto format = arguments.quoted();
    if (!format) return session.caret_error(at_format, "Syntax error");
    POOLKD_TRY(std::string text, format_values(session, *format, arguments));
    return print(session, arguments, markup ? without_markup(text) : text);
}

} // namespace

void add_print_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                   Result<void> (*run)(Session&, Arguments&)) {
        table.add(Command{.names = {name},
                          .family = "Scripts",
                          .summary = summary,
                          .syntax = syntax,
                          .help = help,
                          .needs_target = false,
                          .needs_stop = false,
                          .json = true,
                          .repeat = debugger::Repeat::never,
                          .run = run});
    };
    add(".echo", "print a text", ".echo Text|\"Text\"", "A text without quotes ends at a `;`.", run_echo);
    add(".printf", "print values by a format", ".printf [/D] \"Format\" [, Value ...]",
        "Conversions: %d %i %u %x %X %o %c and %I64d ... for 64 bits, %p a pointer, %y the symbol at an address, %ma "
        "%mu "
        "the text at an address (ASCII, UTF-16), %msa %msu a counted string there, %s a quoted text among the values. "
        "\\n ends a line, \\t is a tab. /D: the text has kd's markup, which is left out.",
        run_printf);
}

} // namespace poolkd::commands
