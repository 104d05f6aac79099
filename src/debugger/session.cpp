#include "debugger/session.h"

#include "base/text.h"
#include "debugger/lexer.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <utility>

namespace poolkd::debugger {

namespace {

constexpr unsigned nesting_limit = 32;
constexpr std::string_view json_flag = "--json";

/// Progress is for people: one line on the terminal, overwritten, never part of the output.
void show_progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
    std::string text = total != 0 ? fmt::format("\r{}: {} %\x1b[K", what, done * 100 / total)
                                  : fmt::format("\r{}: {}\x1b[K", what, done);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

Work::Report progress_sink() {
    if (isatty(STDERR_FILENO) == 0) return {};
    return show_progress;
}

/// Takes `--json` out of a command, outside quotes; true when it was there.
bool take_json_flag(std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        if (std::size_t behind = end_of_quoted(text, at); behind != at) {
            at = behind;
            continue;
        }
        std::size_t end = at + json_flag.size();
        bool begins = at > 0 && is_blank(text[at - 1]);
        if (begins && std::string_view(text).substr(at).starts_with(json_flag) &&
            (end == text.size() || is_blank(text[end]))) {
            text.erase(at - 1, json_flag.size() + 1);
            return true;
        }
        ++at;
    }
    return false;
}

} // namespace

Session::Session(Output& console, const CommandTable& commands)
    : out_(console), commands_(commands), work_(progress_sink()), expressions_(*this) {}

void Session::attach(std::unique_ptr<Debuggee> debuggee) {
    debuggee_ = std::move(debuggee);
    registers_.reset();
    note_stop();
}

unsigned Session::pointer_size() const {
    return debuggee_ ? debuggee_->kernel.machine().pointer_size : 8;
}

Result<RegisterFile> Session::registers(std::optional<std::uint32_t> processor) {
    std::uint32_t which = processor.value_or(processor_);
    target::Epoch epoch = target().epoch();
    if (!registers_ || registers_processor_ != which || registers_epoch_ != epoch) {
        registers_.reset();
        POOLKD_TRY(registers_, target().registers(which));
        registers_processor_ = which;
        registers_epoch_ = epoch;
    }
    return *registers_;
}

Result<void> Session::set_registers(const RegisterFile& registers) {
    target::Writable* writable = target().writable();
    if (!writable) return fail(ErrorKind::unsupported, "The registers of this target cannot be changed");
    registers_.reset();
    return writable->set_registers(processor_, registers);
}

void Session::note_stop() {
    display_.next_code.reset();
    display_.next_data.reset();
    if (!debuggee_) return;
    if (target::RunControl* run = debuggee_->target->run_control(); run && !run->running())
        processor_ = run->last_stop().processor;
}

Result<VirtAddr> Session::current_thread() {
    if (target::RunControl* run = target().run_control(); run && !run->running()) {
        const target::Stop& stop = run->last_stop();
        if (stop.processor == processor_ && stop.thread) return stop.thread;
    }
    POOLKD_TRY(VirtAddr block, target().processor_block(processor_));
    POOLKD_TRY(std::uint64_t thread, kernel().read_field("_KPRCB", block, "CurrentThread"));
    return kernel().machine().canonical(thread);
}

Result<VirtAddr> Session::current_process() {
    POOLKD_TRY(VirtAddr thread, current_thread());
    return kernel().process_of_thread(thread);
}

void Session::write(std::string_view text) {
    clear_progress();
    out_.write(text);
}

void Session::write_json(nlohmann::json object) {
    object["command"] = running_command_;
    // Bytes of a target that are no UTF-8 must not end the session.
    write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void Session::clear_progress() {
    if (!work_.reported()) return;
    std::fwrite("\r\x1b[K", 1, 4, stderr);
    work_.restart();
}

std::string Session::symbol_text(VirtAddr address) {
    return has_target() ? kernel().modules().at(address).text() : std::string();
}

Result<std::uint64_t> Session::expression(Arguments& arguments) {
    arguments.skip_blanks();
    POOLKD_TRY(Evaluated result, evaluate(arguments.command(), arguments.position(), expressions_));
    arguments.set_position(result.end);
    return result.value;
}

Result<VirtAddr> Session::address(Arguments& arguments) {
    POOLKD_TRY(std::uint64_t value, expression(arguments));
    return has_target() ? kernel().machine().canonical(value) : VirtAddr(value);
}

Result<AddressRange> Session::range(Arguments& arguments, unsigned element_size, std::uint64_t default_count) {
    POOLKD_TRY(VirtAddr first, address(arguments));
    arguments.skip_blanks(); // so that an error's caret points at the length
    auto range =
        parse_range_end(arguments.command(), arguments.position(), first, element_size, default_count, expressions_);
    if (!range) {
        if (range.error().kind == ErrorKind::refused) return caret_error(arguments, range.error().message);
        return range;
    }
    arguments.set_position(range->end);
    return range;
}

Result<std::uint64_t> Session::evaluate_text(std::string_view text) {
    Arguments arguments(text, 0);
    POOLKD_TRY(std::uint64_t value, expression(arguments));
    POOLKD_CHECK(no_more(arguments));
    return value;
}

Result<void> Session::no_more(Arguments& arguments) {
    if (arguments.done()) return {};
    arguments.skip_blanks();
    return caret_error(arguments, "Extra character error");
}

std::unexpected<Error> Session::caret_error(const Arguments& arguments, std::string_view what) const {
    std::size_t column = prompt().size() + arguments.position();
    return fail(ErrorKind::usage, "{:>{}} {} in '{}'", "^", column + 1, what, trim(arguments.command()));
}

std::string Session::prompt() const {
    if (!debuggee_ || debuggee_->target->identity().processors <= 1) return "kd> ";
    return fmt::format("{}: kd> ", processor_);
}

bool Session::execute_line(std::string_view typed) {
    if (nesting_ >= nesting_limit) {
        report_error({ErrorKind::refused, "Commands call each other too deeply"}, typed);
        return false;
    }
    // Text of the line must stay while its commands run, even when one of them runs another line.
    std::string line = aliases_.expand(trim(typed).empty() && nesting_ == 0 ? std::string_view(repeat_) : typed);
    if (nesting_ == 0) {
        work_.clear_stop();
        work_.restart();
        repeat_.clear();
    }
    ++nesting_;
    bool good = true;
    for (const CommandText& command : split_commands(line)) {
        auto result = execute_command(command.text, command.offset);
        if (!result) {
            clear_progress();
            report_error(result.error(), command.text);
            good = false;
        }
        if (!good || quit_ != Quit::no) break;
    }
    --nesting_;
    return good;
}

Result<void> Session::execute_command(std::string_view text, std::size_t) {
    auto found = commands_.find(text);
    if (!found) {
        if (found.error().message.starts_with('^'))
            return fail(ErrorKind::not_found, "{}{}", std::string(prompt().size(), ' '), found.error().message);
        return std::unexpected(found.error());
    }
    const Command& command = *found->command;
    if (nesting_ == 1) {
        repeat_ = command.repeat == Repeat::same        ? std::string(text)
                  : command.repeat == Repeat::continued ? std::string(text.substr(0, found->arguments))
                                                        : std::string();
    }
    return run_command(*found, text);
}

Result<void> Session::run_command(const CommandTable::Found& found, std::string_view text) {
    const Command& command = *found.command;
    std::string kept(text);
    bool json = command.json && (take_json_flag(kept) || json_);
    Arguments arguments(kept, found.arguments);
    arguments.processor = found.processor;
    arguments.json = json;
    if (arguments.all() == "-?" || arguments.all() == "/?") {
        write(help_text(command));
        return {};
    }
    if (command.needs_target && !has_target())
        return fail(ErrorKind::unsupported, "{} needs a target, and none is connected", command.names.front());
    if (command.needs_target && command.needs_stop && running())
        return fail(ErrorKind::unsupported,
                    "{} needs a target that stands still; it is running (g waits for it, and Ctrl-C then breaks in)",
                    command.names.front());
    const std::string_view outer = std::exchange(running_command_, command.names.front());
    Result<void> result = command.run(*this, arguments);
    running_command_ = outer;
    return result;
}

void Session::report_error(const Error& error, std::string_view command) {
    if (json_) {
        const nlohmann::json object{{"command", command}, {"error", trim(error.message)}};
        write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    } else {
        write(error.message + "\n");
    }
}

std::optional<std::string> Session::ask_line(std::string_view prompt) {
    return ask_line_ ? ask_line_(prompt) : std::nullopt;
}

} // namespace poolkd::debugger
