#include "commands/code_assemble.h"

#include "base/text.h"
#include "code/assemble.h"
#include "code/decoder.h"
#include "code/namer.h"
#include "debugger/number.h"
#include "debugger/session.h"
#include "render/code.h"
#include "render/coverage.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

/// What was written over what.
struct Patch {
    code::Instruction instruction;
    ByteVector before;
    std::size_t left_over = 0; ///< bytes of an old instruction that now stand behind the new one without their start
};

/// The value of an operand's expression. A number alone is what it says: `mov rax,80000000` is no address, so it is not
/// sign-extended as expressions elsewhere are.
Result<std::uint64_t> operand_value(Session& session, std::string_view text) {
    std::string number(text);
    if (number.size() > 1) number.insert(number.size() - 1, 1, '`'); // a number with a grave is never extended
    const debugger::NumberWord word = debugger::read_number_word(number, session.expressions().radix());
    if (word.kind == debugger::NumberWord::Kind::number) return word.value;
    return session.evaluate_text(text);
}

/// How far the old instructions reach over the end of the new one.
std::size_t old_tail(const Machine& machine, Bytes old, VirtAddr address, std::size_t size) {
    std::size_t at = 0;
    while (at < size) {
        auto instruction = code::decode(machine, old.subspan(at), address + at);
        if (!instruction) return 0; // what was no code has no boundaries
        at += instruction->length;
    }
    return at - size;
}

/// A breakpoint of ours would stand in the middle of the new instruction and damage it when it is planted.
Result<void> refuse_inside_breakpoints(Session& session, const code::Instruction& instruction) {
    for (const control::Breakpoint& breakpoint : session.controller().breakpoints().all()) {
        if (!breakpoint.address || !breakpoint.on_execution()) continue;
        const std::uint64_t offset = *breakpoint.address - instruction.address;
        if (offset != 0 && offset < instruction.length)
            return fail(ErrorKind::refused,
                        "Breakpoint {} at {} would be inside this instruction; remove it first (bc {})", breakpoint.id,
                        session.address_text(*breakpoint.address), breakpoint.id);
    }
    return {};
}

Result<Patch> patch(Session& session, std::string_view text, VirtAddr address) {
    const Machine& machine = session.kernel().machine();
    POOLKD_TRY(code::Instruction made, code::assemble(machine, text, address, [&](std::string_view operand) {
                   return operand_value(session, operand);
               }));
    POOLKD_CHECK(refuse_inside_breakpoints(session, made));
    // Enough to see where the instruction ends that the last byte belongs to.
    ByteVector old(made.length + code::max_instruction_bytes);
    const std::size_t readable = session.memory().read(address, old, &session.work()).bytes;
    old.resize(readable);
    if (readable < made.length)
        return fail(ErrorKind::unreadable, "Memory access error at {}", session.address_text(address + readable));
    POOLKD_CHECK(session.may_write(address));
    POOLKD_CHECK(session.journal().write(address, made.bytes(), fmt::format("a {}", text)));
    Patch patch;
    POOLKD_TRY(patch.instruction, code::decode(machine, made.bytes(), address, code::namer_of(session.kernel())));
    patch.before.assign(old.begin(), old.begin() + made.length);
    patch.left_over = old_tail(machine, old, address, made.length);
    return patch;
}

void show(Session& session, const Arguments& arguments, const Patch& patch) {
    const code::Instruction& made = patch.instruction;
    if (arguments.json) {
        session.write_json({{"address", render::json_address(made.address)},
                            {"bytes", hex_text(made.bytes())},
                            {"before", hex_text(patch.before)},
                            {"mnemonic", made.mnemonic},
                            {"operands", made.operands},
                            {"left_over", patch.left_over}});
        return;
    }
    session.write(render::instruction_row(made) + "\n");
    if (patch.left_over != 0)
        session.print("Of the old instruction {} byte{} left behind it\n", patch.left_over,
                      patch.left_over == 1 ? " is" : "s are");
}

/// One line after the other at rising addresses, as kd asks for them; an empty line ends.
Result<void> assemble_by_asking(Session& session, const Arguments& arguments, VirtAddr address) {
    // Bounded by the user, who ends it with an empty line.
    while (auto line = session.ask_line(session.address_text(address) + " ")) {
        if (trim(*line).empty()) break;
        auto done = patch(session, trim(*line), address);
        if (!done) {
            session.print("{}\n", done.error().message);
            if (done.error().kind == ErrorKind::link) return std::unexpected(std::move(done).error());
            continue;
        }
        show(session, arguments, *done);
        address = done->instruction.next();
    }
    return {};
}

/// The address: up to the first blank outside of parentheses. The evaluator itself would take the instructions `and`,
/// `or`, `xor` and `not` behind it for its own operators.
std::string_view take_address(Arguments& arguments) {
    arguments.skip_blanks();
    const std::size_t start = arguments.position();
    const std::string_view text = arguments.command();
    int depth = 0;
    std::size_t end = start;
    for (; end < text.size() && (depth > 0 || (text[end] != ' ' && text[end] != '\t')); ++end) {
        if (text[end] == '(') ++depth;
        if (text[end] == ')') --depth;
    }
    arguments.set_position(end);
    return text.substr(start, end - start);
}

Result<void> run_assemble(Session& session, Arguments& arguments) {
    VirtAddr address;
    if (arguments.done()) {
        POOLKD_TRY(RegisterFile registers, session.registers(arguments.processor));
        address = registers.ip();
    } else {
        const std::string_view word = take_address(arguments);
        POOLKD_TRY(std::uint64_t value, session.evaluate_text(word));
        address = session.kernel().machine().canonical(value);
    }
    if (arguments.done()) return assemble_by_asking(session, arguments, address);
    POOLKD_TRY(Patch done, patch(session, trim(arguments.take_rest()), address));
    show(session, arguments, done);
    return {};
}

} // namespace

void add_assemble_command(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"a"},
        .family = "Code",
        .summary = "assemble instructions into memory",
        .syntax = "a [<address> [<instruction>]]",
        .help =
            "In the notation of listings: mov r8d,20636241 · call nt!ExFreePool · inc dword ptr [leaky!Counter]. "
            "Numbers "
            "are expressions, hexadecimal as everywhere. Without an instruction it asks for one line after the other; "
            "an empty line ends. Each result is decoded and compared with what was asked for before it is written, and "
            "every write is journaled (.writes, .undo).",
        .takes_processor = true,
        .json = true,
        .repeat = debugger::Repeat::never,
        .run = run_assemble,
    });
}

} // namespace poolkd::commands
