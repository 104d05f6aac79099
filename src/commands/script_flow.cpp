#include "base/text.h"
#include "commands/script.h"
#include "debugger/lexer.h"
#include "debugger/script_file.h"
#include "debugger/session.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Interpreter;
using debugger::Session;
using debugger::Unwind;

namespace {

/// Blanks and separators around a piece mean nothing: the lines of a script may have been joined with `;`.
std::string_view trim_separators(std::string_view text) {
    while (!text.empty() && (debugger::is_blank(text.front()) || text.front() == ';'))
        text.remove_prefix(1);
    while (!text.empty() && (debugger::is_blank(text.back()) || text.back() == ';'))
        text.remove_suffix(1);
    return text;
}

void skip_separators(Arguments& arguments) {
    arguments.set_position(debugger::skip_to_command(arguments.command(), arguments.position()));
}

/// What the bracket at the cursor holds.
Result<std::string_view> take_group(Session& session, Arguments& arguments, char open) {
    skip_separators(arguments);
    const std::size_t start = arguments.position();
    const std::string_view text = arguments.command();
    auto end = start < text.size() && text[start] == open ? debugger::end_of_group(text, start) : std::nullopt;
    if (!end) return session.caret_error(arguments, "Syntax error");
    arguments.set_position(*end);
    return text.substr(start + 1, *end - start - 2);
}

Result<std::string_view> take_block(Session& session, Arguments& arguments) {
    return take_group(session, arguments, '{');
}

/// The text before the block: a condition, whose brackets are not compulsory.
Result<std::string_view> take_head(Session& session, Arguments& arguments) {
    const std::size_t start = arguments.position();
    auto block = debugger::find_block(arguments.command(), start);
    if (!block) return session.caret_error(arguments, "Syntax error");
    arguments.set_position(*block);
    return trim_separators(arguments.command().substr(start, *block - start));
}

Result<bool> is_true(Session& session, std::string_view condition) {
    POOLKD_TRY(std::uint64_t value, session.evaluate_text(condition));
    return value != 0;
}

Result<void> run_if(Session& session, Arguments& arguments) {
    while (true) {
        POOLKD_TRY(std::string_view condition, take_head(session, arguments));
        POOLKD_TRY(std::string_view block, take_block(session, arguments));
        POOLKD_TRY(bool chosen, is_true(session, condition));
        skip_separators(arguments);
        if (!chosen && arguments.take(".elsif")) continue;
        if (!chosen) {
            if (!arguments.take(".else")) return {};
            POOLKD_TRY(block, take_block(session, arguments));
        }
        session.interpreter().run_block(block);
        return {};
    }
}

Result<void> run_for(Session& session, Arguments& arguments) {
    arguments.skip_blanks();
    Arguments at_head = arguments;
    POOLKD_TRY(std::string_view head, take_group(session, arguments, '('));
    POOLKD_TRY(std::string_view body, take_block(session, arguments));
    const std::vector<std::string_view> parts = debugger::split_semicolons(head, 3);
    if (parts.size() != 3) return session.caret_error(at_head, "Syntax error");
    Interpreter& interpreter = session.interpreter();
    if (interpreter.run_block(parts[0]) != Unwind::none) return {};
    while (true) {
        POOLKD_TRY(bool more, is_true(session, parts[1]));
        if (!more || !interpreter.run_round(body) || interpreter.run_block(parts[2]) != Unwind::none) return {};
    }
}

Result<void> run_while(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string_view condition, take_head(session, arguments));
    POOLKD_TRY(std::string_view body, take_block(session, arguments));
    while (true) {
        POOLKD_TRY(bool more, is_true(session, condition));
        if (!more || !session.interpreter().run_round(body)) return {};
    }
}

Result<void> run_do(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string_view body, take_block(session, arguments));
    const std::string_view condition = trim_separators(arguments.rest());
    if (condition.empty()) return session.caret_error(arguments, "Syntax error");
    while (session.interpreter().run_round(body)) {
        POOLKD_TRY(bool more, is_true(session, condition));
        if (!more) return {};
    }
    return {};
}

/// What `.foreach` goes through, and the name that stands for each word of it.
struct Words {
    std::string variable;
    std::string text;
};

/// `v {commands}`, `v "text"` or, of a file, `v "name"`. Nothing: the commands ended what runs.
Result<std::optional<Words>> read_words(Session& session, std::string_view head, bool from_file) {
    Arguments inside(head, 0);
    inside.skip_blanks();
    const std::size_t name_end = std::min(head.find_first_of(" \t\r\n{\"", inside.position()), head.size());
    Words words{.variable = std::string(head.substr(inside.position(), name_end - inside.position())), .text = {}};
    inside.set_position(name_end);
    if (words.variable.empty()) return session.caret_error(inside, "Syntax error");
    if (auto quoted = inside.quoted()) {
        words.text = std::move(*quoted);
        if (from_file) {
            POOLKD_TRY(words.text, debugger::read_script(words.text, session.script_folders()));
        }
    } else {
        POOLKD_TRY(std::string_view commands, take_block(session, inside));
        auto output = session.interpreter().capture(commands);
        if (!output) return std::nullopt;
        words.text = std::move(*output);
    }
    POOLKD_CHECK(session.no_more(inside));
    return words;
}

Result<void> run_foreach(Session& session, Arguments& arguments) {
    std::uint64_t skip_first = 0, skip_each = 0;
    bool from_file = false;
    while (true) {
        if (arguments.take_option("pS")) {
            POOLKD_TRY(skip_first, session.evaluate_text(arguments.word())); // a word: `1 /ps 2` is no division
        } else if (arguments.take_option("ps")) {
            POOLKD_TRY(skip_each, session.evaluate_text(arguments.word()));
        } else if (arguments.take_option("f")) {
            from_file = true;
        } else if (!arguments.take_option("s")) {
            break; // the text of /s is known by its quotes
        }
    }
    POOLKD_TRY(std::string_view head, take_group(session, arguments, '('));
    POOLKD_TRY(std::string_view body, take_block(session, arguments));
    POOLKD_TRY(std::optional<Words> source, read_words(session, head, from_file));
    if (!source) return {};
    const std::vector<std::string_view> words = split_blanks(source->text);
    debugger::AliasMap locals;
    for (std::uint64_t i = skip_first; i < words.size();) {
        locals[source->variable] = words[i];
        if (!session.interpreter().run_round(body, locals)) return {};
        if (skip_each >= words.size()) return {};
        i += 1 + skip_each;
    }
    return {};
}

/// The next commands of `j`: in quotes, or up to a `;`.
std::string take_choice(Arguments& arguments) {
    arguments.skip_blanks();
    if (auto quoted = arguments.quoted()) return *quoted;
    const std::string_view text = arguments.command();
    const std::size_t start = arguments.position();
    const std::size_t behind = debugger::end_of_quoted(text, start);
    if (behind != start) {
        arguments.set_position(behind);
        return std::string(text.substr(start + 1, behind - start - 2));
    }
    arguments.set_position(std::min(text.find(';', start), text.size()));
    return std::string(trim(text.substr(start, arguments.position() - start)));
}

Result<void> run_j(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::uint64_t value, session.expression(arguments));
    std::string chosen = take_choice(arguments);
    if (!arguments.done() && !arguments.take(";")) return session.caret_error(arguments, "Syntax error");
    std::string other = take_choice(arguments);
    // Nothing behind the second one runs: the line is over.
    session.interpreter().run_block(value != 0 ? chosen : other);
    return {};
}

Result<void> run_z(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::uint64_t value, session.expression(arguments));
    POOLKD_CHECK(session.no_more(arguments));
    if (value != 0) session.interpreter().unwind(Unwind::again);
    return {};
}

Result<void> run_jump(Session& session, Arguments& arguments, Unwind where, bool possible, std::string_view place) {
    POOLKD_CHECK(session.no_more(arguments));
    if (!possible) return fail(ErrorKind::usage, "{} stands in no {}", session.interpreter().running_command(), place);
    session.interpreter().unwind(where);
    return {};
}

Result<void> run_break(Session& session, Arguments& arguments) {
    return run_jump(session, arguments, Unwind::break_, session.interpreter().in_loop(), "loop");
}

Result<void> run_continue(Session& session, Arguments& arguments) {
    return run_jump(session, arguments, Unwind::continue_, session.interpreter().in_loop(), "loop");
}

Result<void> run_leave(Session& session, Arguments& arguments) {
    return run_jump(session, arguments, Unwind::leave, session.interpreter().in_catch(), ".catch block");
}

Result<void> run_plain_block(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string_view block, take_block(session, arguments));
    session.interpreter().run_block(block);
    return {};
}

Result<void> run_catch(Session& session, Arguments& arguments) {
    POOLKD_TRY(std::string_view block, take_block(session, arguments));
    session.interpreter().run_guarded(block);
    return {};
}

} // namespace

void add_flow_commands(debugger::CommandTable& table) {
    auto add = [&](std::string_view name, std::string_view summary, std::string_view syntax, std::string_view help,
                   Result<void> (*run)(Session&, Arguments&)) {
        table.add(Command{.names = {name},
                          .family = "Scripts",
                          .summary = summary,
                          .syntax = syntax,
                          .help = help,
                          .may_touch = !name.starts_with('.'),
                          .needs_target = false,
                          .needs_stop = false,
                          .run = run});
    };
    add(".if", "run commands when a condition holds",
        ".if (Condition) {Commands} [.elsif (Condition) {Commands} ...] [.else {Commands}]",
        "A condition is an expression; not 0 is true. Aliases in a block are replaced when it is entered.", run_if);
    add(".for", "a loop with a counter", ".for (First; Condition; Next[; Next ...]) {Commands}", {}, run_for);
    add(".while", "a loop with its condition ahead", ".while (Condition) {Commands}", {}, run_while);
    add(".do", "a loop with its condition behind", ".do {Commands} (Condition)", {}, run_do);
    add(".foreach", "run commands for every word of what commands print, of a text, or of a file",
        ".foreach [/pS First] [/ps Between] (Name {Commands}|\"Text\") {Commands}, .foreach /f (Name \"File\") "
        "{Commands}",
        "Name stands for the word where it stands alone between blanks, and as ${Name} anywhere. /pS skips that many "
        "words at first, /ps that many after each one taken. What the commands in brackets print is not shown.",
        run_foreach);
    add(".break", "leave the innermost loop", ".break", {}, run_break);
    add(".continue", "go on with the next round of the innermost loop", ".continue", {}, run_continue);
    add(".block", "a block, whose aliases are replaced when it is entered", ".block {Commands}", {}, run_plain_block);
    add(".catch", "run commands; an error in them ends only them", ".catch {Commands}",
        "A stop by Ctrl-C and a lost link end everything all the same.", run_catch);
    add(".leave", "leave the innermost .catch", ".leave", {}, run_leave);
    add("j", "run one of two commands", "j Expression ['Commands'] [; 'Commands']",
        "The first when the expression is not 0, else the second. Nothing behind them on the line is run.", run_j);
    add("z", "run the commands before it on the line again while an expression is not 0", "Commands; z(Expression)", {},
        run_z);
}

} // namespace poolkd::commands
