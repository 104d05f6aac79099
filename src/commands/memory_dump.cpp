#include "commands/memory_dump.h"

#include "commands/memory_rows.h"
#include "debugger/session.h"

#include <algorithm>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::size_t string_row = 48;       // characters of `da` and `du` in a row
constexpr std::size_t string_limit = 65'536; // characters of a string without an end

/// What the options of a dump say.
struct Request {
    bool physical = false;
    std::uint64_t address = 0;
    std::uint64_t count = 0; ///< elements
    bool explicit_count = false;
    std::optional<unsigned> columns;
};

Result<void> take_options(Session& session, Arguments& arguments, Request& request) {
    while (arguments.peek() == '/') {
        if (arguments.take_option("p") || arguments.take_option("p[c]") || arguments.take_option("p[uc]") ||
            arguments.take_option("p[wc]")) {
            request.physical = true;
        } else if (arguments.take_option("c")) {
            POOLKD_TRY(std::uint64_t columns, session.expression(arguments));
            if (columns == 0 || columns > 64) return session.caret_error(arguments, "Range error");
            request.columns = static_cast<unsigned>(columns);
        } else {
            return session.caret_error(arguments, "Syntax error");
        }
    }
    return {};
}

Result<Request> read_request(Session& session, Arguments& arguments, unsigned element_size, std::uint64_t default_count,
                             bool physical) {
    Request request{.physical = physical, .count = default_count, .columns = std::nullopt};
    POOLKD_CHECK(take_options(session, arguments, request));
    if (arguments.done()) {
        auto& display = session.display();
        if (request.physical) {
            request.address = display.next_physical.value_or(PhysAddr(0)).value;
        } else if (display.next_data) {
            request.address = display.next_data->value;
        } else {
            POOLKD_TRY(RegisterFile registers, session.registers());
            request.address = registers.ip().value;
        }
        return request;
    }
    POOLKD_TRY(auto range, session.range(arguments, element_size, default_count));
    request.address = range.address.value;
    request.count = range.count;
    request.explicit_count = range.explicit_count;
    POOLKD_CHECK(session.no_more(arguments));
    return request;
}

void remember_end(Session& session, const Request& request, std::uint64_t end) {
    if (request.physical) {
        session.display().next_physical = PhysAddr(end);
    } else {
        session.display().next_data = VirtAddr(end);
    }
}

/// Calls `show(piece, first element, count, address)` row by row.
template <class Show>
Result<void> for_each_row(Session& session, const Request& request, unsigned element_size, unsigned per_row,
                          Show show) {
    MemoryView view(session, request.physical);
    const std::uint64_t piece_elements = std::max<std::uint64_t>(piece_bytes / element_size / per_row, 1) * per_row;
    for (std::uint64_t done = 0; done < request.count;) {
        std::uint64_t elements = std::min(piece_elements, request.count - done);
        std::uint64_t address = request.address + done * element_size;
        POOLKD_TRY(MemoryPiece piece, view.read(address, elements * element_size));
        for (std::uint64_t row = 0; row < elements; row += per_row) {
            if (session.work().stop_requested()) return fail(ErrorKind::stopped, "Stopped");
            show(piece, row, std::min<std::uint64_t>(per_row, elements - row), address + row * element_size);
        }
        done += elements;
        remember_end(session, request, request.address + done * element_size);
    }
    return {};
}

void remember_value(Session& session, const MemoryPiece& piece, std::size_t at, unsigned size) {
    if (piece.all_readable(at, size))
        session.expressions().set_last_display(load_unsigned(piece.bytes, at, size).value_or(0));
}

Result<void> dump_rows(Session& session, Arguments& arguments, const RowFormat& format, bool extension) {
    POOLKD_TRY(Request request, read_request(session, arguments, format.element_size, format.default_count, extension));
    unsigned per_row = request.columns.value_or(format.per_row);
    return for_each_row(session, request, format.element_size, per_row,
                        [&](const MemoryPiece& piece, std::size_t first, std::size_t count, std::uint64_t address) {
                            remember_value(session, piece, (first + count - 1) * format.element_size,
                                           format.element_size);
                            std::string row = row_text(format, per_row, piece, first, count);
                            if (extension) {
                                session.print("#{:>9x} {}\n", address, row);
                            } else {
                                session.print("{}  {}\n", session.address_text(VirtAddr(address)), row);
                            }
                        });
}

/// `dds`, `dqs`, `dps`: a word and the symbol nearest to it.
Result<void> dump_symbols(Session& session, Arguments& arguments, unsigned size) {
    POOLKD_TRY(Request request, read_request(session, arguments, size, 128 / size, false));
    return for_each_row(
        session, request, size, 1,
        [&](const MemoryPiece& piece, std::size_t first, std::size_t, std::uint64_t address) {
            std::size_t at = first * size;
            std::string name;
            std::string word = unreadable_text(size);
            if (piece.all_readable(at, size)) {
                std::uint64_t value = load_unsigned(piece.bytes, at, size).value_or(0);
                word = element_text(size, value);
                name = session.symbol_text(size == 4 ? session.kernel().machine().canonical(value) : VirtAddr(value));
                remember_value(session, piece, at, size);
            }
            session.print("{}  {}{}{}\n", session.address_text(VirtAddr(address)), word, name.empty() ? "" : " ", name);
        });
}

/// Characters from `address` on: up to a NUL, to `count` characters, or to the first one that cannot be read.
struct Text {
    std::string characters = {};
    std::uint64_t end = 0; ///< the address behind the last character, and behind the NUL that ended it
    bool ended = false;    ///< at a NUL or at `count`
    bool unreadable = false;
};

Result<Text> read_text(Session& session, bool physical, std::uint64_t address, unsigned size, std::uint64_t count) {
    constexpr std::size_t step = 128; // characters at a time: strings are short, and a link reads what is asked
    MemoryView view(session, physical);
    Text text{.end = address};
    while (text.characters.size() < count) {
        std::size_t want = std::min<std::uint64_t>(step, count - text.characters.size());
        POOLKD_TRY(MemoryPiece piece, view.read(text.end, want * size));
        for (std::size_t i = 0; i < want; ++i) {
            if (!piece.all_readable(i * size, size)) {
                text.unreadable = true;
                return text;
            }
            std::uint64_t character = load_unsigned(piece.bytes, i * size, size).value_or(0);
            text.end += size;
            if (character == 0) {
                text.ended = true;
                return text;
            }
            text.characters += shown(static_cast<std::uint32_t>(character));
        }
    }
    return text;
}

Result<void> dump_string(Session& session, Arguments& arguments, unsigned size) {
    POOLKD_TRY(Request request, read_request(session, arguments, size, string_limit, false));
    std::uint64_t most = request.count;
    POOLKD_TRY(Text text, read_text(session, request.physical, request.address, size, most));
    std::string_view left = text.characters;
    std::uint64_t address = request.address;
    do {
        std::string row(left.substr(0, string_row));
        left.remove_prefix(row.size());
        // What cannot be read shows as a run of '?' to the end of its row.
        if (left.empty() && text.unreadable && row.size() < string_row) row.resize(string_row, '?');
        session.print("{}  \"{}\"\n", session.address_text(VirtAddr(address)), row);
        address += row.size() * size;
    } while (!left.empty());
    if (!text.ended && !text.unreadable && !request.explicit_count)
        session.print("No end of the string within {} characters.\n", string_limit);
    remember_end(session, request, text.end);
    return {};
}

enum class Pointed { ascii, unicode, symbol };

/// `dda ddu ddp dpa dpu dpp dqa dqu dqp`: a pointer and what it points to.
Result<void> dump_pointed(Session& session, Arguments& arguments, unsigned size, Pointed what) {
    POOLKD_TRY(Request request, read_request(session, arguments, size, 128 / size, false));
    Result<void> outcome;
    auto shown_rows = for_each_row(
        session, request, size, 1,
        [&](const MemoryPiece& piece, std::size_t first, std::size_t, std::uint64_t address) {
            std::string line = session.address_text(VirtAddr(address)) + "  ";
            std::size_t at = first * size;
            if (!piece.all_readable(at, size)) {
                session.write(line + unreadable_text(size) + "\n");
                return;
            }
            std::uint64_t value = load_unsigned(piece.bytes, at, size).value_or(0);
            remember_value(session, piece, at, size);
            VirtAddr pointer = size == 4 ? session.kernel().machine().canonical(value) : VirtAddr(value);
            line += element_text(size, value);
            if (what == Pointed::symbol) {
                auto target = memory::read_unsigned(session.memory(), pointer, size);
                if (target) {
                    std::string name = session.symbol_text(size == 4 ? session.kernel().machine().canonical(*target)
                                                                     : VirtAddr(*target));
                    line += " " + element_text(size, *target) + (name.empty() ? "" : " ") + name;
                }
            } else {
                auto text = read_text(session, false, pointer.value, what == Pointed::ascii ? 1 : 2, string_row);
                if (text && !text->characters.empty()) line += " \"" + text->characters + "\"";
                if (!text) outcome = std::unexpected(text.error());
            }
            session.write(line + "\n");
        });
    if (!shown_rows) return shown_rows;
    return outcome;
}

using Run = std::function<Result<void>(Session&, Arguments&)>;

unsigned pointer_or(Session& session, unsigned size) {
    return size != 0 ? size : session.pointer_size();
}

void add_dump(debugger::CommandTable& table, std::string_view name, std::string_view summary, Run run) {
    static constexpr std::string_view syntax = "d{a|b|c|d|D|f|p|q|u|w|W} [/c <columns>] [/p] [<range>]";
    static constexpr std::string_view words = "d{d|p|q}{s|a|u|p} [<range>]";
    table.add(Command{
        .names = {name},
        .family = "Memory",
        .summary = summary,
        .syntax = name.size() == 3 ? words : syntax,
        .help = "Without a range it goes on after the last display, at first at the instruction pointer. A range is an "
                "address, an address and an end, or an address and L<count>. What cannot be read shows as ??.",
        .options = {{"/c <columns>", "elements in a row"}, {"/p", "physical memory; also /p[c], /p[uc], /p[wc]"}},
        .may_touch = true,
        .repeat = debugger::Repeat::continued,
        .run =
            [name, run](Session& session, Arguments& arguments) {
                session.display().last_dump = name;
                return run(session, arguments);
            },
    });
}

void add_rows(debugger::CommandTable& table, std::string_view name, std::string_view summary) {
    add_dump(table, name, summary,
             [name](Session& s, Arguments& a) { return dump_rows(s, a, row_format(name), false); });
}

void add_words(debugger::CommandTable& table) {
    struct Letter {
        std::string_view symbols, ascii, unicode, pointer;
        unsigned size; ///< 0: of a pointer
    };
    static constexpr Letter letters[] = {
        {"dds", "dda", "ddu", "ddp", 4}, {"dps", "dpa", "dpu", "dpp", 0}, {"dqs", "dqa", "dqu", "dqp", 8}};
    for (const Letter& l : letters) {
        unsigned size = l.size;
        add_dump(table, l.symbols, "show words and the symbols they point at",
                 [size](Session& s, Arguments& a) { return dump_symbols(s, a, pointer_or(s, size)); });
        add_dump(table, l.ascii, "show words and the ASCII text they point at",
                 [size](Session& s, Arguments& a) { return dump_pointed(s, a, pointer_or(s, size), Pointed::ascii); });
        add_dump(table, l.unicode, "show words and the Unicode text they point at", [size](Session& s, Arguments& a) {
            return dump_pointed(s, a, pointer_or(s, size), Pointed::unicode);
        });
        add_dump(table, l.pointer, "show words and the words they point at",
                 [size](Session& s, Arguments& a) { return dump_pointed(s, a, pointer_or(s, size), Pointed::symbol); });
    }
}

void add_physical(debugger::CommandTable& table) {
    static constexpr std::pair<std::string_view, std::string_view> commands[] = {
        {"!db", "db"}, {"!dw", "dw"}, {"!dd", "dd"}, {"!dc", "dc"}, {"!dq", "dq"}};
    for (auto [name, format] : commands) {
        table.add(Command{
            .names = {name},
            .family = "Memory",
            .summary = "show physical memory",
            .syntax = "!d{b|c|d|q|w} [[c]|[uc]|[wc]] <physical address> [L<count>]",
            .repeat = debugger::Repeat::continued,
            .run = [format](Session& session, Arguments& arguments) -> Result<void> {
                (void)(arguments.take("[c]") || arguments.take("[uc]") || arguments.take("[wc]"));
                return dump_rows(session, arguments, row_format(format), true);
            },
        });
    }
    table.add(Command{
        .names = {"!dp"},
        .family = "Memory",
        .summary = "show physical memory",
        .syntax = "!dp <physical address> [L<count>]",
        .repeat = debugger::Repeat::continued,
        .run = [](Session& s,
                  Arguments& a) { return dump_rows(s, a, row_format(s.pointer_size() == 8 ? "dq" : "dd"), true); },
    });
}

} // namespace

void add_dump_commands(debugger::CommandTable& table) {
    add_rows(table, "db", "show bytes and ASCII characters");
    add_rows(table, "dw", "show words of 2 bytes");
    add_rows(table, "dW", "show words of 2 bytes and ASCII characters");
    add_rows(table, "dd", "show words of 4 bytes");
    add_rows(table, "dc", "show words of 4 bytes and ASCII characters");
    add_rows(table, "dq", "show words of 8 bytes");
    add_rows(table, "df", "show floating-point numbers of 4 bytes");
    add_rows(table, "dD", "show floating-point numbers of 8 bytes");
    add_dump(table, "dp", "show words of pointer size", [](Session& s, Arguments& a) {
        return dump_rows(s, a, row_format(s.pointer_size() == 8 ? "dq" : "dd"), false);
    });
    add_dump(table, "da", "show an ASCII string", [](Session& s, Arguments& a) { return dump_string(s, a, 1); });
    add_dump(table, "du", "show a Unicode string", [](Session& s, Arguments& a) { return dump_string(s, a, 2); });
    add_words(table);
    table.add(Command{
        .names = {"d"},
        .family = "Memory",
        .summary = "show memory as the last d* command did",
        .syntax = "d [<range>]",
        .may_touch = true,
        .repeat = debugger::Repeat::continued,
        .run = [](Session& session, Arguments& arguments) -> Result<void> {
            const Command* last = session.commands().named(session.display().last_dump);
            if (!last) return fail(ErrorKind::not_found, "No earlier display to repeat");
            return last->run(session, arguments);
        },
    });
    add_physical(table);
}

} // namespace poolkd::commands
