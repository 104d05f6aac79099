#include "commands/stacks.h"

#include "base/text.h"
#include "code/stack_names.h"
#include "code/stack_reader.h"
#include "debugger/session.h"
#include "render/stack.h"

#include <algorithm>
#include <array>

namespace poolkd::commands {

using debugger::Arguments;
using debugger::Command;
using debugger::Session;

namespace {

constexpr std::uint64_t max_frames = 0xffff;

struct StackRequest {
    render::StackView view;
    bool raw = false;        ///< kd: the words of the stack
    bool parameters = false; ///< kp, kP: those of each function, where the symbols are private
};

/// Takes the letters behind `k`, wherever the name of the command ended in them.
Result<StackRequest> take_letters(Session& session, Arguments& arguments) {
    StackRequest request;
    std::string_view text = arguments.command();
    std::size_t at = text.find_first_of("kK");
    if (at == std::string_view::npos) return session.caret_error(arguments, "Syntax error");
    request.view.lines = session.display().source_lines;
    for (++at; at < text.size(); ++at) {
        char letter = text[at];
        if (letter == ' ' || letter == '=' || letter == ',' || (letter >= '0' && letter <= '9')) break;
        switch (letter) {
        case 'b':
        case 'B':
            request.view.arguments = true;
            request.view.child_sp = false;
            break;
        case 'v':
        case 'V': request.view.arguments = request.view.child_sp = request.view.notes = true; break;
        case 'c':
        case 'C': request.view.names_only = true; break;
        case 'n':
        case 'N': request.view.numbers = true; break;
        case 'f':
        case 'F': request.view.sizes = true; break;
        case 'l':
        case 'L': request.view.lines = false; break;
        case 'd':
        case 'D': request.raw = true; break;
        case 'P': request.view.parameter_lines = true; [[fallthrough]];
        case 'p': request.parameters = true; break;
        case 'm': // Links for a graphical front end.
        case 'M': break;
        default: arguments.set_position(at); return session.caret_error(arguments, "Syntax error");
        }
    }
    arguments.set_position(at);
    return request;
}

/// `kd`: words of the stack with the names of what they point at.
Result<void> show_raw_stack(Session& session, Arguments& arguments) {
    constexpr std::uint64_t default_words = 20;
    std::uint64_t count = default_words;
    if (!arguments.done()) {
        POOLKD_TRY(count, session.expression(arguments));
    }
    POOLKD_CHECK(session.no_more(arguments));
    if (count > max_frames) return session.caret_error(arguments, "Range error");
    POOLKD_TRY(RegisterFile registers, session.registers(arguments.processor));
    unsigned size = session.pointer_size();
    code::StackReader stack(session.memory(), session.kernel().machine(), &session.work());
    for (std::uint64_t i = 0; i < count; ++i) {
        VirtAddr at = registers.sp() + i * size;
        POOLKD_TRY(std::uint64_t word, stack.word(at));
        std::string name = session.symbol_text(session.kernel().machine().canonical(word));
        session.print("{}  {}{}{}\n", session.address_text(at), format_address(word, size), name.empty() ? "" : " ",
                      name);
    }
    return {};
}

/// `k = <stack pointer> [<count>]`; on x64 `k = <rsp> <rip> [<count>]`, on x86 `k = <ebp> <esp> <eip>`. True when a
/// count was given.
Result<bool> take_start(Session& session, Arguments& arguments, RegisterFile& registers, code::WalkOptions& options) {
    const Machine& machine = registers.machine();
    std::array<std::uint64_t, 3> values{};
    std::size_t count = 0;
    while (!arguments.done() && count < values.size()) {
        POOLKD_TRY(values[count++], session.expression(arguments));
    }
    if (count == 3 && machine.pointer_size == 4) {
        registers.set(machine.frame_pointer, values[0]);
        registers.set(machine.stack_pointer, values[1]);
        registers.set_ip(machine.canonical(values[2]));
        return false;
    }
    registers.set(machine.stack_pointer, values[0]);
    if (count < 2) return false;
    const bool ip_given = count == 3 || values[1] > max_frames;
    if (ip_given) registers.set_ip(machine.canonical(values[1]));
    if (!ip_given || count == 3) options.max_frames = values[count - 1];
    return !ip_given || count == 3;
}

/// kd says it when it loads such symbols; the name of the nearest export may be far from the code.
void warn_of_exports(Session& session, const code::StackTrace& trace) {
    std::vector<std::string> images;
    for (const code::Frame& frame : trace.frames)
        if (const nt::Module* module = session.kernel().modules().containing(frame.ip);
            module && module->symbol_state == nt::SymbolState::exports &&
            std::ranges::find(images, module->image_name) == images.end())
            images.push_back(module->image_name);
    if (!images.empty())
        session.print("*** WARNING: Defaulted to export symbols for {}: names may be wrong\n", fmt::join(images, ", "));
}

Result<void> show_stack(Session& session, Arguments& arguments) {
    POOLKD_TRY(StackRequest request, take_letters(session, arguments));
    if (request.raw) return show_raw_stack(session, arguments);
    POOLKD_TRY(RegisterFile registers, session.registers(arguments.processor));
    code::WalkOptions options{.max_frames = session.display().stack_frames,
                              .arguments = request.view.arguments || arguments.json};
    if (arguments.take("=")) {
        POOLKD_TRY(request.view.own_count, take_start(session, arguments, registers, options));
    } else if (!arguments.done()) {
        POOLKD_TRY(options.max_frames, session.expression(arguments));
        request.view.own_count = true;
    }
    POOLKD_CHECK(session.no_more(arguments));
    if (options.max_frames > max_frames) return session.caret_error(arguments, "Range error");
    Answer<code::StackTrace> trace = code::walk_stack(session.kernel(), registers, options, &session.work());
    std::vector<code::FrameName> names = code::name_frames(session.kernel(), trace.value);
    if (request.parameters) code::name_parameters(session.kernel(), trace.value, names);
    if (arguments.json) {
        session.write_json(render::stack_json(trace, names));
        return {};
    }
    if (session.context() && !arguments.processor)
        session.write("  *** Stack trace for last set context - .thread/.cxr resets it\n");
    session.write(render::stack_text(trace.value, names, request.view));
    warn_of_exports(session, trace.value);
    return {};
}

Result<void> set_depth(Session& session, Arguments& arguments) {
    if (!arguments.done()) {
        POOLKD_TRY(std::uint64_t count, session.expression(arguments));
        POOLKD_CHECK(session.no_more(arguments));
        if (count == 0 || count > max_frames) return session.caret_error(arguments, "Range error");
        session.display().stack_frames = static_cast<std::uint32_t>(count);
    }
    session.print("Default stack trace depth is 0n{} frames\n", session.display().stack_frames);
    return {};
}

Result<void> set_lines(Session& session, Arguments& arguments) {
    bool on = !session.display().source_lines;
    if (arguments.take_option("e")) on = true;
    if (arguments.take_option("d")) on = false;
    if (arguments.take_option("t")) on = !session.display().source_lines;
    POOLKD_CHECK(session.no_more(arguments));
    session.display().source_lines = on;
    session.print("Line number information will {}be loaded\n", on ? "" : "not ");
    return {};
}

} // namespace

void add_stack_commands(debugger::CommandTable& table) {
    table.add(Command{
        .names = {"k", "kb", "kv", "kn", "kp", "kP", "kc", "kf", "kL", "kd"},
        .family = "Stacks",
        .summary = "show the call stack",
        .syntax = "[<processor>]k[b|v|p|P][c][n][f][L] [<count>] | k... = <rsp> [<rip>] <count> | "
                  "k... = <ebp> <esp> <eip> | kd [<words>]",
        .help =
            "b: the four home slots of the register arguments (often stale), on x86 three words of arguments. v: the "
            "same with stack pointers, trap frames, and on x86 frame records. c: names only. n: frame numbers. f: "
            "bytes each frame takes. L: no source lines. "
            "kd: the words of the stack itself. Counts are hexadecimal.",
        .may_touch = true,
        .takes_processor = true,
        .json = true,
        .run = show_stack,
    });
    table.add(Command{
        .names = {".kframes"},
        .family = "Stacks",
        .summary = "show or set how many frames k shows",
        .syntax = ".kframes [<count>]",
        .needs_target = false,
        .needs_stop = false,
        .run = set_depth,
    });
    table.add(Command{
        .names = {".lines"},
        .family = "Stacks",
        .summary = "switch source lines in stacks on or off",
        .syntax = ".lines [-e|-d|-t]",
        .needs_target = false,
        .needs_stop = false,
        .run = set_lines,
    });
}

} // namespace poolkd::commands
