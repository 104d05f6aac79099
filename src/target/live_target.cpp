#include "target/live_target.h"

#include "base/exception_codes.h"

#include <algorithm>

namespace poolkd::target {

namespace {

constexpr std::uint64_t special_registers_selector = 2;
constexpr std::uint64_t processor_block_selector = 1;
constexpr std::uint64_t break_status_control_c = 1; ///< DBG_STATUS_CONTROL_C, the argument of the break-in's routine
/// A break-in byte that was left over stops the target at once when it goes on.
constexpr std::chrono::seconds leftover_window{2};
constexpr std::chrono::milliseconds switch_limit{5000}; ///< for a frozen processor to report

kd::ClientOptions client_options(const kd::LinkSpec& spec, const LiveOptions& options) {
    kd::ClientOptions result;
    result.reconnect = spec.reconnect;
    result.resets = spec.resets;
    result.on_print = options.on_print;
    result.on_prompt = options.on_prompt;
    result.on_notice = options.on_notice;
    result.on_open = options.on_open;
    result.interrupt = options.interrupt;
    result.engine.trace = options.trace;
    if (spec.kind == kd::LinkSpec::Kind::serial) result.engine.bytes_per_second = std::max(spec.baud / 10, 1u);
    return result;
}

Stop to_stop(const kd::StopEvent& event, const Machine& machine) {
    const kd::StateChange& change = event.change;
    const kd::ControlReport control = change.control_report(machine.image_machine);
    Stop stop;
    stop.processor = change.processor;
    stop.processors = change.processors;
    stop.thread = machine.canonical(change.thread);
    stop.ip = machine.canonical(change.program_counter);
    stop.dr6 = control.dr6;
    stop.dr7 = control.dr7;
    stop.instruction_stream = control.instruction_bytes;
    stop.after_restart = event.restarted;
    if (const auto* exception = std::get_if<kd::ExceptionReport>(&change.report)) {
        stop.reason = ExceptionStop{exception->code, exception->flags, machine.canonical(exception->address),
                                    exception->parameters, exception->first_chance};
    } else if (const auto* module = std::get_if<kd::LoadSymbolsReport>(&change.report)) {
        stop.reason = ModuleChange{!module->unload,    module->path,     machine.canonical(module->base),
                                   module->image_size, module->checksum, module->process_id};
    } else if (const auto* command = std::get_if<kd::CommandStringReport>(&change.report)) {
        stop.reason = CommandStop{command->name, command->command};
    }
    return stop;
}

bool is_breakpoint(const Stop& stop) {
    const auto* exception = std::get_if<ExceptionStop>(&stop.reason);
    return exception && exception->code == status_breakpoint;
}

} // namespace

LiveTarget::LiveTarget(std::unique_ptr<kd::ByteLink> link, kd::ClientOptions options)
    : client_(std::move(link), std::move(options)), cached_(virtual_, [this] { return epoch_; }), contexts_(client_) {}

LiveTarget::~LiveTarget() {
    client_.close();
}

Result<std::unique_ptr<LiveTarget>> LiveTarget::connect(const kd::LinkSpec& spec, LiveOptions options,
                                                        const Work& work) {
    return connect(kd::make_link(spec), spec, std::move(options), work);
}

Result<std::unique_ptr<LiveTarget>> LiveTarget::connect(std::unique_ptr<kd::ByteLink> link, const kd::LinkSpec& spec,
                                                        LiveOptions options, const Work& work) {
    std::unique_ptr<LiveTarget> target(new LiveTarget(std::move(link), client_options(spec, options)));
    POOLKD_CHECK(target->begin(spec, options, work));
    return target;
}

Result<void> LiveTarget::begin(const kd::LinkSpec& spec, const LiveOptions& options, const Work& work) {
    identity_.kind = "live kernel over KD";
    identity_.connection = spec.text;
    POOLKD_TRY(const kd::FirstStop first, client_.connect(options.break_in, work, options.limit));
    already_stopped_ = first.already_stopped;
    if (auto learned = learn_identity(false); !learned) {
        // To get past the int3 of the break-in takes the registers, which only the machine's kind tells.
        if (!already_stopped_)
            learned.error().message += " The break-in stopped it, and it stands until a debugger lets it go.";
        return learned;
    }
    accept(first.stop);
    // Bytes beyond the one that stopped it, or all of them when it stood already, are remembered by the target.
    leftover_breaks_ = first.break_ins;
    if (leftover_breaks_ > 0 && !already_stopped_ && !first.stop.repeated) --leftover_breaks_; // it stopped the target
    if (is_breakpoint(stop_)) break_ip_ = stop_.ip;
    return {};
}

Result<void> LiveTarget::learn_identity(bool restarted) {
    POOLKD_TRY(const kd::Version version, client_.version());
    const Machine* machine = find_machine(version.machine);
    if (!machine)
        return fail(ErrorKind::unsupported, "The target is a machine of type {:#06x}, which is not supported.",
                    version.machine);
    if (restarted && machine != identity_.machine)
        return fail(ErrorKind::unsupported, "The target came back as another kind of machine; connect anew.");
    identity_.machine = machine;
    contexts_.set_machine(*machine);
    identity_.major = version.major;
    identity_.build = version.build;
    identity_.protocol = version.protocol;
    identity_.kernel_base = machine->canonical(version.kernel_base);
    identity_.loaded_module_list = machine->canonical(version.loaded_module_list);
    identity_.debugger_data_list = machine->canonical(version.debugger_data_list);
    return {};
}

void LiveTarget::accept(const kd::StopEvent& event) {
    contexts_.forget();
    changed();
    stop_ = to_stop(event, *identity_.machine);
    identity_.processors = stop_.processors;
}

Result<void> LiveTarget::check_processor(std::uint32_t processor) const {
    // An x64 target answers nonsense for a processor that does not exist instead of refusing (seen with ReactOS).
    if (processor < identity_.processors) return {};
    return fail(ErrorKind::not_found, "There is no processor {}; the target has {}.", processor, identity_.processors);
}

bool LiveTarget::x86_control_space() const {
    return identity_.machine == &x86_machine();
}

Result<RegisterFile> LiveTarget::registers(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    return contexts_.read(processor);
}

Result<ByteVector> LiveTarget::special_registers(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    const Machine& machine = *identity_.machine;
    // On x86 the control space is KPROCESSOR_STATE itself, with the special registers behind CONTEXT. Of the others'
    // record older systems have less than is asked for.
    return client_.read_control_space(static_cast<std::uint16_t>(processor), special_registers_place(),
                                      machine.special_size);
}

std::uint64_t LiveTarget::special_registers_place() const {
    return x86_control_space() ? identity_.machine->context_size : special_registers_selector;
}

Result<VirtAddr> LiveTarget::processor_block(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    if (x86_control_space())
        return fail(ErrorKind::unsupported, "An x86 target does not tell where its processor blocks are.");
    POOLKD_TRY(const ByteVector bytes,
               client_.read_control_space(static_cast<std::uint16_t>(processor), processor_block_selector, 8));
    if (const auto address = load<std::uint64_t>(bytes, 0)) return VirtAddr(*address);
    return fail(ErrorKind::malformed, "The target gave {} bytes for the address of the processor block.", bytes.size());
}

const LinkStatistics* LiveTarget::link_statistics() const {
    const kd::Statistics& s = client_.statistics();
    statistics_ = LinkStatistics{.packets_sent = s.packets_sent,
                                 .packets_received = s.packets_received,
                                 .bytes_sent = s.bytes_sent,
                                 .bytes_received = s.bytes_received,
                                 .requests = s.requests,
                                 .resends = s.resends,
                                 .rejected = s.rejected,
                                 .resets = s.resets,
                                 .round_trip_total = s.round_trip_total,
                                 .round_trip_best = s.round_trip_best,
                                 .round_trip_worst = s.round_trip_worst};
    return &statistics_;
}

Result<void> LiveTarget::write(VirtAddr address, Bytes bytes) {
    auto written = client_.write_virtual(address, bytes);
    changed(); // also after a failure: a part may have been written
    return written;
}

Result<void> LiveTarget::write_physical(PhysAddr address, Bytes bytes) {
    auto written = client_.write_physical(address, bytes);
    changed();
    return written;
}

Result<void> LiveTarget::set_registers(std::uint32_t processor, const RegisterFile& registers) {
    POOLKD_CHECK(check_processor(processor));
    auto written = contexts_.write(processor, registers);
    if (!written) contexts_.forget();
    changed();
    return written;
}

Result<void> LiveTarget::set_special_registers(std::uint32_t processor, Bytes record) {
    POOLKD_CHECK(check_processor(processor));
    auto written =
        client_.write_control_space(static_cast<std::uint16_t>(processor), special_registers_place(), record);
    changed(); // another CR3 would be another memory
    return written;
}

Result<void> LiveTarget::resume(const Resume& how) {
    break_ins_since_resume_ = 0;
    kd::ContinueCommand command;
    command.status = how.handled ? kd::dbg_continue : kd::dbg_exception_not_handled;
    command.trace = how.trace;
    command.dr7 = how.dr7;
    POOLKD_CHECK(client_.continue2(stop_.processor, identity_.machine->image_machine, command));
    contexts_.forget();
    changed();
    resumed_ = std::chrono::steady_clock::now();
    return {};
}

bool LiveTarget::is_leftover_break(const Stop& stop) const {
    return leftover_breaks_ > 0 && is_breakpoint(stop) && break_ip_ && stop.ip == break_ip_ &&
           std::chrono::steady_clock::now() - resumed_ < leftover_window;
}

bool LiveTarget::stands_in_break_in(const RegisterFile& registers) {
    if ((registers.get(identity_.machine->break_status).value_or(0) & 0xffffffff) != break_status_control_c)
        return false;
    if (identity_.machine != &x86_machine()) return true;
    // The x86 routine loads eax from its argument on the stack; eax alone is 1 by chance often enough.
    return memory::read_unsigned(cached_, registers.sp() + 4, 4) == break_status_control_c;
}

Result<bool> LiveTarget::step_past_leftover_break() {
    POOLKD_TRY(RegisterFile registers, contexts_.read(stop_.processor));
    if (!stands_in_break_in(registers)) return false; // another int3 of the kernel's own
    --leftover_breaks_;
    // The break-in is an int3 compiled into the kernel: the processor must go on behind it.
    registers.set_ip(stop_.ip + 1);
    POOLKD_CHECK(contexts_.write(stop_.processor, registers));
    POOLKD_CHECK(resume(Resume{.handled = true, .trace = false, .dr7 = stop_.dr7}));
    return true;
}

Result<std::optional<Stop>> LiveTarget::wait(Work& work, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        POOLKD_TRY(const std::optional<kd::StopEvent> event,
                   client_.wait(work, std::max(left, std::chrono::milliseconds(0))));
        if (!event) return std::nullopt;
        if (event->restarted) {
            leftover_breaks_ = 0;
            POOLKD_CHECK(learn_identity(true)); // the kernel may lie elsewhere now
        }
        accept(*event);
        if (!is_leftover_break(stop_)) return stop_;
        POOLKD_TRY(const bool gone, step_past_leftover_break());
        if (!gone) return stop_;
    }
}

Result<void> LiveTarget::break_in() {
    // The first one stops it, and that stop is what the user asked for; further ones are remembered by the target.
    leftover_breaks_ = break_ins_since_resume_++;
    return client_.break_in();
}

Result<Stop> LiveTarget::switch_processor(std::uint32_t processor) {
    POOLKD_CHECK(check_processor(processor));
    if (processor == stop_.processor) return stop_;
    // There is no reply: the next thing is a report, of that processor or, when it will not, of this one again.
    POOLKD_CHECK(client_.switch_processor(static_cast<std::uint16_t>(processor)));
    contexts_.forget();
    changed();
    const Work unasked; // a Ctrl-C in these milliseconds would leave nobody to take the report
    POOLKD_TRY(const std::optional<kd::StopEvent> event, client_.wait(unasked, switch_limit));
    if (!event) return fail(ErrorKind::link, "Processor {} does not report to the debugger.", processor);
    accept(*event);
    if (stop_.processor == processor) return stop_;
    return fail(ErrorKind::refused, "The target does not let processor {} report; processor {} still does.", processor,
                stop_.processor);
}

Result<void> LiveTarget::reboot() {
    POOLKD_CHECK(client_.reboot());
    contexts_.forget();
    changed();
    return {};
}

Result<std::uint32_t> LiveTarget::set_breakpoint(VirtAddr address) {
    // The target writes the breakpoint into its memory, so what was read of it is old.
    auto handle = client_.set_breakpoint(address);
    changed();
    return handle;
}

Result<void> LiveTarget::clear_breakpoint(std::uint32_t handle) {
    auto cleared = client_.clear_breakpoint(handle);
    changed();
    return cleared;
}

} // namespace poolkd::target
