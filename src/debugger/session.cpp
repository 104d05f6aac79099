#include "debugger/session.h"

#include "base/text.h"
#include "render/characters.h"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <utility>

namespace poolkd::debugger {

namespace {

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

} // namespace

Session::Session(Output& console, const CommandTable& commands)
    : out_(console), commands_(commands), work_(progress_sink()), expressions_(*this), interpreter_(*this) {}

void Session::attach(std::unique_ptr<Debuggee> debuggee) {
    debuggee_ = std::move(debuggee);
    registers_.reset();
    note_stop();
    if (!debuggee_) return;
    debuggee_->controller.set_resolver([this](const std::string& expression) -> Result<VirtAddr> {
        POOLKD_TRY(const std::uint64_t value, evaluate_text(expression));
        return kernel().machine().canonical(value);
    });
    debuggee_->controller.set_condition([this](const std::string& condition) -> Result<bool> {
        note_stop(); // nobody has been told of this stop yet
        POOLKD_TRY(std::uint64_t value, evaluate_text(condition));
        return value != 0;
    });
}

unsigned Session::pointer_size() const {
    return debuggee_ ? debuggee_->kernel.machine().pointer_size : 8;
}

Result<RegisterFile> Session::registers(std::optional<std::uint32_t> processor) {
    if (!processor && context_) return context_->registers;
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

Result<std::uint64_t> Session::special_register(const RegisterSlot& slot, std::optional<std::uint32_t> processor) {
    POOLKD_TRY(const ByteVector record, target().special_registers(processor.value_or(processor_)));
    if (auto value = load_unsigned(record, slot.offset, slot.size)) return *value;
    return fail(ErrorKind::unsupported, "The target does not tell {}", slot.name);
}

void Session::note_stop() {
    display_.next_code.reset();
    display_.next_data.reset();
    context_.reset();
    look_at_process(std::nullopt);
    if (!debuggee_) return;
    target::RunControl* run = debuggee_->target->run_control();
    if (!run || run->running()) return;
    processor_ = run->last_stop().processor;
    // The same stop may be noted twice.
    if (const target::Epoch epoch = debuggee_->target->epoch(); epoch != event_epoch_) {
        event_epoch_ = epoch;
        previous_event_ip_ = std::exchange(event_ip_, run->last_stop().ip);
    }
}

void Session::look_at_process(std::optional<ProcessContext> process) {
    process_ = process;
    process_space_.reset();
    if (process_) process_space_ = std::make_unique<ProcessSpace>(target(), process_->tables, process_->user_end);
}

Result<target::PageTables> Session::page_tables() {
    if (process_) return process_->tables;
    return target().page_tables(processor_);
}

Result<void> Session::may_write(VirtAddr address) const {
    if (!process_space_ || !process_space_->is_user(address)) return {};
    return fail(ErrorKind::refused,
                "{} is an address of the process that .process chose; a write would go to the process that runs",
                address_text(address));
}

Result<VirtAddr> Session::current_thread() {
    if (context_ && context_->thread) return context_->thread;
    return running_thread();
}

Result<VirtAddr> Session::running_thread() {
    if (target::RunControl* run = target().run_control(); run && !run->running()) {
        const target::Stop& stop = run->last_stop();
        if (stop.processor == processor_ && stop.thread) return stop.thread;
    }
    POOLKD_TRY(VirtAddr block, kernel().processor_block(processor_));
    POOLKD_TRY(std::uint64_t thread, kernel().read_field("_KPRCB", block, "CurrentThread"));
    return kernel().machine().canonical(thread);
}

Result<VirtAddr> Session::current_process() {
    if (process_) return process_->process;
    POOLKD_TRY(VirtAddr thread, current_thread());
    return kernel().process_of_thread(thread);
}

Result<VirtAddr> Session::process_of_memory() {
    if (process_) return process_->process;
    POOLKD_TRY(VirtAddr thread, running_thread());
    return kernel().process_of_thread(thread);
}

void Session::write(std::string_view text) {
    clear_progress();
    out_.write(text);
}

void Session::write_json(nlohmann::json object) {
    object["command"] = interpreter_.running_command();
    // Bytes of a target that are no UTF-8 must not end the session.
    write(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

void Session::tell(std::string_view text) {
    if (json_) {
        fmt::print(stderr, "{}", render::terminal_text(text));
    } else {
        write(text);
    }
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

std::optional<std::string> Session::ask_line(std::string_view prompt) {
    return ask_line_ ? ask_line_(prompt) : std::nullopt;
}

} // namespace poolkd::debugger
