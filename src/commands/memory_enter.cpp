#include "commands/memory_enter.h"

#include "commands/memory_rows.h"
#include "commands/text_encoding.h"
#include "debugger/session.h"

#include <algorithm>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// True when the value, taken as signed or as unsigned, fits `size` bytes: `ed x ffffffff` is a sign-extended constant.
bool fits(std::uint64_t value, unsigned size) {
    if (size >= 8) return true;
    unsigned bits = size * 8;
    auto high = static_cast<std::int64_t>(value) >> bits;
    bool negative_fits = high == -1 && (value >> (bits - 1) & 1) != 0;
    return high == 0 || negative_fits;
}

void append(ByteVector& bytes, std::uint64_t value, unsigned size) {
    std::byte raw[8];
    store_unsigned(raw, 0, size, value);
    bytes.insert(bytes.end(), raw, raw + size);
}

/// Writes through the journal; a refusal of the target is told as kd words it, anything else as it is.
Result<void> write(Session& session, const Arguments& arguments, VirtAddr address, Bytes bytes) {
    POOLKD_CHECK(session.may_write(address));
    auto written = session.journal().write(address, bytes, std::string(arguments.command()));
    if (written) return written;
    ErrorKind kind = written.error().kind;
    if (kind != ErrorKind::unreadable && kind != ErrorKind::unwritable) return written;
    return session.caret_error(arguments, "Memory access error");
}

Result<void> refuse_physical(Arguments& arguments) {
    if (arguments.peek() == '/' && arguments.command().substr(arguments.position()).starts_with("/p"))
        return fail(ErrorKind::unsupported, "Physical memory is not written: the journal could not undo it");
    return {};
}

/// One address after the other: shows the old value and asks for the new one.
Result<void> enter_by_asking(Session& session, const Arguments& arguments, VirtAddr address, unsigned size) {
    // Bounded by the user, who ends it with an empty line.
    for (;; address += size) {
        auto old = memory::read_unsigned(session.memory(), address, size);
        session.print("{} {}\n", session.address_text(address), old ? element_text(size, *old) : unreadable_text(size));
        auto line = session.ask_line("Input> ");
        if (!line || line->empty()) return {};
        if (trim(*line).empty()) continue;
        POOLKD_TRY(std::uint64_t value, session.evaluate_text(*line));
        if (!fits(value, size)) return session.caret_error(arguments, "Overflow error");
        ByteVector bytes;
        append(bytes, value, size);
        POOLKD_CHECK(write(session, arguments, address, bytes));
    }
}

Result<void> enter_numbers(Session& session, Arguments& arguments, unsigned size) {
    POOLKD_CHECK(refuse_physical(arguments));
    POOLKD_TRY(VirtAddr address, session.address(arguments));
    if (arguments.done()) return enter_by_asking(session, arguments, address, size);
    ByteVector bytes;
    while (!arguments.done()) {
        std::size_t before = arguments.position();
        // `eb x "text"` writes characters, as kd does.
        if (auto text = arguments.quoted(); text && size == 1) {
            for (char c : *text)
                bytes.push_back(static_cast<std::byte>(c));
            continue;
        }
        arguments.set_position(before);
        arguments.skip_blanks();
        Arguments here = arguments;
        POOLKD_TRY(std::uint64_t value, session.expression(arguments));
        if (!fits(value, size)) return session.caret_error(here, "Overflow error");
        append(bytes, value, size);
    }
    return write(session, arguments, address, bytes);
}

struct StringKind {
    bool unicode;
    bool terminated;
};

Result<void> enter_string(Session& session, Arguments& arguments, StringKind kind) {
    POOLKD_CHECK(refuse_physical(arguments));
    POOLKD_TRY(VirtAddr address, session.address(arguments));
    Arguments here = arguments;
    auto text = arguments.quoted();
    if (!text) return session.caret_error(here, "Syntax error");
    POOLKD_CHECK(session.no_more(arguments));
    ByteVector bytes = kind.unicode ? utf16_bytes(*text) : text_bytes(*text);
    if (kind.terminated) bytes.insert(bytes.end(), kind.unicode ? 2 : 1, std::byte{0});
    if (bytes.empty()) return {};
    return write(session, arguments, address, bytes);
}

void add_enter(debugger::CommandTable& table, std::string_view name, std::string_view summary,
               std::function<Result<void>(Session&, Arguments&)> run) {
    bool text = name == "ea" || name == "eu" || name.starts_with("ez");
    table.add(Command{
        .names = {name},
        .family = "Memory",
        .summary = summary,
        .syntax = text ? "e{a|u|za|zu} <address> \"<text>\"" : "e{b|w|d|q|p} <address> [<value> ...]",
        .help = text ? "za and zu write a NUL behind the text; a and u do not."
                     : "Values are expressions separated by blanks and go to successive elements. Four characters in "
                       "single quotes are a number whose first character is the most significant byte: a pool tag is "
                       "written backwards, ' cbA' for Abc. Without values it asks. Every write is journaled (.writes, "
                       ".undo).",
        .may_touch = true,
        .repeat = debugger::Repeat::never,
        .run =
            [name, run = std::move(run)](Session& session, Arguments& arguments) {
                session.display().last_enter = name;
                return run(session, arguments);
            },
    });
}

} // namespace

void add_enter_commands(debugger::CommandTable& table) {
    static constexpr std::pair<std::string_view, unsigned> numbers[] = {{"eb", 1}, {"ew", 2}, {"ed", 4}, {"eq", 8}};
    for (auto [name, size] : numbers)
        add_enter(table, name, "write numbers to memory",
                  [size](Session& s, Arguments& a) { return enter_numbers(s, a, size); });
    add_enter(table, "ep", "write words of pointer size to memory",
              [](Session& s, Arguments& a) { return enter_numbers(s, a, s.pointer_size()); });
    add_enter(table, "ea", "write ASCII text to memory",
              [](Session& s, Arguments& a) { return enter_string(s, a, {false, false}); });
    add_enter(table, "eu", "write Unicode text to memory",
              [](Session& s, Arguments& a) { return enter_string(s, a, {true, false}); });
    add_enter(table, "eza", "write ASCII text and a NUL to memory",
              [](Session& s, Arguments& a) { return enter_string(s, a, {false, true}); });
    add_enter(table, "ezu", "write Unicode text and a NUL to memory",
              [](Session& s, Arguments& a) { return enter_string(s, a, {true, true}); });
    table.add(Command{
        .names = {"e"},
        .family = "Memory",
        .summary = "write to memory as the last e* command did",
        .syntax = "e <address> [<values>]",
        .may_touch = true,
        .repeat = debugger::Repeat::never,
        .run = [](Session& session, Arguments& arguments) -> Result<void> {
            const Command* last = session.commands().named(session.display().last_enter);
            if (!last) return fail(ErrorKind::not_found, "No earlier format to use");
            return last->run(session, arguments);
        },
    });
}

} // namespace poolkd::commands
