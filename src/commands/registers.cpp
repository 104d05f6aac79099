#include "commands/registers.h"

#include "base/text.h"
#include "commands/location.h"
#include "commands/register_text.h"
#include "debugger/lexer.h"
#include "debugger/session.h"

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// A register's name at the cursor, with its `$` but without `@`, which kd tolerates.
std::string_view take_name(Arguments& arguments) {
    (void)arguments.take("@");
    arguments.skip_blanks();
    std::string_view text = arguments.command();
    std::size_t start = arguments.position();
    std::size_t end = start;
    while (end < text.size() && (debugger::is_word_character(text[end]) || (end == start && text[end] == '$')))
        ++end;
    arguments.set_position(end);
    return text.substr(start, end - start);
}

/// As wide as a pointer; an address of a 32-bit target is held sign-extended and shown as it is there.
std::string pseudo_text(const Session& session, std::uint64_t value) {
    const unsigned size = session.pointer_size();
    const bool address = size == 4 && x86_machine().canonical(value).value == value;
    return fmt::format("{:0{}x}", address ? value & 0xffffffff : value, size * 2);
}

/// Of the processor that was asked for: $ip, $thread and $cpu differ.
Result<std::optional<std::uint64_t>> pseudo_register(Session& session, std::string_view name,
                                                     std::optional<std::uint32_t> processor) {
    if (!processor) return session.expressions().pseudo_register(name);
    const std::uint32_t current = session.processor();
    session.set_processor(*processor);
    auto context = session.look_at(std::nullopt);
    auto value = session.expressions().pseudo_register(name);
    session.look_at(std::move(context));
    session.set_processor(current);
    return value;
}

std::unexpected<Error> no_target() {
    return fail(ErrorKind::unsupported, "r needs a target, and none is connected");
}

Result<std::string> shown(Session& session, const RegisterFile& registers, std::string_view name, const Arguments& at) {
    if (name.starts_with('$')) {
        POOLKD_TRY(auto value, pseudo_register(session, name, at.processor));
        if (value) return to_lower(name) + "=" + pseudo_text(session, *value);
    } else if (!session.has_target()) {
        return no_target();
    } else if (const RegisterSlot* special = session.kernel().machine().find_special(to_lower(name))) {
        POOLKD_TRY(std::uint64_t value, session.special_register(*special, at.processor));
        return fmt::format("{}={:0{}x}", special->name, value, special->size * 2);
    } else if (auto text = register_text(registers, name)) {
        return *text;
    }
    return session.caret_error(at, "Bad register error");
}

Result<void> set(Session& session, std::string_view name, std::uint64_t value, const Arguments& at) {
    if (at.processor && *at.processor != session.processor())
        return fail(ErrorKind::refused, "The registers of another processor are read-only; switch to it with ~{}s",
                    *at.processor);
    if (name.starts_with('$')) {
        if (session.expressions().set_user_register(name, value)) return {};
        if (!session.has_target()) return no_target();
        if (!equals_ignore_case(name, "$ip")) return session.caret_error(at, "Bad register error");
        name = session.kernel().machine().instruction_pointer;
    }
    if (!session.has_target()) return no_target();
    if (const RegisterSlot* special = session.kernel().machine().find_special(to_lower(name)))
        return fail(ErrorKind::unsupported, "{} can only be read{}", special->name,
                    special->name.starts_with("dr") ? "; ba uses the debug registers" : "");
    if (session.context() && !at.processor)
        return fail(ErrorKind::refused,
                    "These are not the processor's registers; .cxr goes back to those, which can be set");
    POOLKD_TRY(RegisterFile registers, session.registers(session.processor()));
    if (!registers.set(name, value)) return session.caret_error(at, "Bad register error");
    return session.set_registers(registers);
}

/// `r $.u0=text`: an alias with a fixed name; the text is all that is left. False: that is not what comes next.
Result<bool> set_fixed_alias(Session& session, Arguments& arguments) {
    if (!arguments.take("$.u")) return false;
    const std::string_view rest = arguments.rest();
    const Arguments here = arguments;
    if (rest.size() < 2 || rest[0] < '0' || rest[0] > '9' || rest[1] != '=')
        return session.caret_error(here, "Bad register error");
    const auto index = static_cast<std::size_t>(rest[0] - '0');
    arguments.set_position(arguments.position() + 2);
    auto quoted = arguments.quoted();
    session.aliases().set_fixed(index, quoted && arguments.done() ? *quoted : std::string(trim(rest.substr(2))));
    (void)arguments.take_rest();
    return true;
}

/// `$t0` needs no target; every other register does.
Result<RegisterFile> registers_for(Session& session, const Arguments& arguments) {
    if (!session.has_target()) return RegisterFile{};
    if (session.running())
        return fail(ErrorKind::unsupported,
                    "r needs a target that stands still; it is running (g waits for it, and Ctrl-C then breaks in)");
    return session.registers(arguments.processor);
}

Result<void> run_r(Session& session, Arguments& arguments) {
    POOLKD_TRY(bool is_alias, set_fixed_alias(session, arguments));
    if (is_alias) return {};
    POOLKD_TRY(RegisterFile registers, registers_for(session, arguments));
    if (arguments.done()) {
        if (!session.has_target()) return no_target();
        if (session.context() && !arguments.processor) session.write("Last set context:\n");
        session.write(all_registers_text(registers));
        session.write(location_text(session, registers.ip()));
        return {};
    }
    std::string line;
    while (!arguments.done()) {
        arguments.skip_blanks();
        Arguments here = arguments;
        std::string_view name = take_name(arguments);
        if (name.empty()) return session.caret_error(here, "Bad register error");
        if (arguments.take("=")) {
            POOLKD_TRY(std::uint64_t value, session.expression(arguments));
            POOLKD_CHECK(set(session, name, value, here));
            POOLKD_TRY(registers, registers_for(session, arguments));
            continue;
        }
        POOLKD_TRY(std::string text, shown(session, registers, name, here));
        line += (line.empty() ? "" : " ") + text;
    }
    if (!line.empty()) session.write(line + "\n");
    return {};
}

} // namespace

void add_register_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"r"},
        .family = "Registers",
        .summary = "show or set registers and user variables",
        .syntax = "r [<register> [= <expression>]] [, ...]",
        .help =
            "Alone it shows the registers of the current processor and the instruction it stands at. 2r shows those "
            "of processor 2. By name there are also cr0, cr2, cr3, cr4, dr0 to dr7, gdtr, gdtl, idtr, idtl, tr and "
            "ldtr, for "
            "reading. r $t0 = <expression> sets one of the 20 user variables, r $.u0=<text> the text that $u0 "
            "stands for.",
        .may_touch = true,
        .needs_target = false,
        .takes_processor = true,
        .run = run_r,
    });
}

} // namespace poolkd::commands
