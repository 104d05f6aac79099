#include "control/controller.h"

#include "control/exceptions.h"
#include "control/step_over.h"

#include <algorithm>
#include <utility>

/// The controller's motions: what makes the target go, and the one wait. What a stop means is in classify.cpp.
namespace poolkd::control {

using namespace std::chrono_literals;

namespace {

constexpr std::byte int3{0xcc};
constexpr auto wait_slice = 100ms; // how soon a Ctrl-C is noticed
constexpr std::size_t most_traces = 64;
constexpr std::uint64_t trap_flag = 0x100;
constexpr std::uint64_t dr6_causes = 0x400f; // a traced instruction, and the four debug registers

bool same_stop(const target::Stop& a, const target::Stop& b) {
    const auto* first = exception_of(a);
    const auto* second = exception_of(b);
    return a.processor == b.processor && a.ip == b.ip && a.thread == b.thread &&
           (first == nullptr) == (second == nullptr) && (!first || first->code == second->code);
}

} // namespace

Controller::Controller(nt::Kernel& kernel, Journal& journal)
    : kernel_(kernel), journal_(journal), breakpoints_(kernel, journal) {}

Result<target::RunControl*> Controller::run_control() {
    if (target::RunControl* control = kernel_.target().run_control()) return control;
    return fail(ErrorKind::unsupported, "The target ({}) cannot run", kernel_.target().identity().kind);
}

bool Controller::running() const {
    target::RunControl* control = kernel_.target().run_control();
    return control && control->running();
}

bool Controller::at_hard_breakpoint(const target::Stop& stop) const {
    // The stream comes with the stop and has the debugger's own breakpoints removed, so an int 3 in it belongs to the
    // target; only exceptions count: at a module event the program counter is also at an int 3, which the target
    // skips itself.
    const target::ExceptionStop* exception = exception_of(stop);
    if (!exception || exception->code != status_breakpoint) return false;
    if (!stop.instruction_stream.empty()) return stop.instruction_stream.front() == int3;
    auto byte = memory::read_unsigned(kernel_.memory(), stop.ip, 1);
    return byte && static_cast<std::byte>(*byte) == int3;
}

Result<void> Controller::skip_hard_breakpoint() {
    if (!last_ || !at_hard_breakpoint(last_->stop)) return {};
    target::Writable* writable = kernel_.target().writable();
    if (!writable) return fail(ErrorKind::unsupported, "The target's registers cannot be written");
    POOLKD_TRY(RegisterFile registers, kernel_.target().registers(last_->stop.processor));
    // The user may have moved the instruction pointer, or patched the int 3 away: the stream is as old as the stop.
    if (registers.ip() != last_->stop.ip) return {};
    const bool patched = std::ranges::any_of(journal_.entries(), [&](const JournalEntry& entry) {
        return registers.ip() - entry.address < entry.after.size();
    });
    if (patched)
        if (auto byte = memory::read_unsigned(kernel_.memory(), registers.ip(), 1);
            byte && static_cast<std::byte>(*byte) != int3)
            return {};
    registers.set_ip(registers.ip() + 1);
    untouched_ = false;
    return writable->set_registers(last_->stop.processor, registers);
}

Result<VirtAddr> Controller::instruction_pointer() {
    if (untouched_) return last_->stop.ip; // saves a round trip at each hit that only passes by
    POOLKD_TRY(RegisterFile registers, kernel_.target().registers(last_->stop.processor));
    return registers.ip();
}

Result<void> Controller::note_waiting_hits() {
    if (!last_ || !breakpoints_.watches_armed()) return {};
    target::Target& target = kernel_.target();
    for (std::uint32_t processor = 0; processor < target.identity().processors; ++processor) {
        if (processor == last_->stop.processor) continue;
        POOLKD_TRY(const ByteVector special, target.special_registers(processor));
        const std::uint64_t causes = kernel_.machine().special(special, "dr6").value_or(0) & dr6_causes;
        if (causes != 0) waiting_hits_[static_cast<std::uint16_t>(processor)] |= causes;
    }
    return {};
}

Result<void> Controller::resume(bool trace, bool handled) {
    POOLKD_TRY(target::RunControl * control, run_control());
    // A continue clears DR6 on all processors, also on one that has met a breakpoint and waits for its turn.
    POOLKD_CHECK(note_waiting_hits());
    target::Resume how;
    how.handled = handled;
    how.trace = trace;
    how.dr7 = breakpoints_.debug_control();
    untouched_ = false;
    // Where the line breaks now, the stop is kept: the target may still stand in it.
    POOLKD_CHECK(control->resume(how));
    last_.reset();
    return {};
}

Result<void> Controller::trace(VirtAddr from, bool wanted) {
    const target::Stop& stop = last_->stop;
    const std::vector<Trace> before_it = traces_;
    // A step that was interrupted and is made again is still wanted.
    if (auto before = take_trace(stop)) wanted = wanted || before->wanted;
    if (traces_.size() == most_traces) traces_.erase(traces_.begin()); // its thread is most likely gone
    traces_.push_back({stop.thread, stop.processor, from, wanted});
    auto resumed = resume(true, true);
    if (!resumed && !running()) traces_ = before_it; // else the next hit here would not count as a new one
    return resumed;
}

std::optional<Controller::Trace> Controller::take_trace(const target::Stop& stop) {
    auto it = std::ranges::find_if(traces_, [&](const Trace& trace) { return trace.is_of(stop); });
    if (it == traces_.end()) return std::nullopt;
    Trace found = *it;
    traces_.erase(it);
    return found;
}

Result<void> Controller::set_going(bool handled) {
    std::vector<VirtAddr> here;
    // A fault that is passed on goes to its handler: a step would only make it again.
    const target::ExceptionStop* stopped_by = last_ ? exception_of(last_->stop) : nullptr;
    const bool passes_on =
        !handled && stopped_by && stopped_by->code != status_breakpoint && stopped_by->code != status_single_step;
    if (last_ && !passes_on) {
        POOLKD_TRY(VirtAddr ip, instruction_pointer());
        if (breakpoints_.stops_at(ip)) here.push_back(ip);
    }
    POOLKD_CHECK(breakpoints_.plant(here));
    // Off a breakpoint: one instruction without it. Its end is a stop like any other, at which the rest is planted.
    return here.empty() ? resume(false, handled) : trace(here.front(), false);
}

Result<void> Controller::add_temporaries() {
    for (VirtAddr address : goal_.addresses) {
        Breakpoint temporary;
        temporary.address = address;
        temporary.internal = true;
        POOLKD_TRY(Breakpoints::Added added, breakpoints_.add(temporary, std::nullopt));
        temporaries_.push_back(added.id);
    }
    return {};
}

void Controller::drop_temporaries() {
    for (std::uint32_t id : temporaries_)
        if (breakpoints_.find(id)) (void)breakpoints_.remove(id); // a restart removes them, too
    temporaries_.clear();
}

std::unexpected<Error> Controller::give_up(Error error, Work* work) {
    if (work && error.kind == ErrorKind::stopped) work->clear_stop(); // it would cut off what follows, too
    // The user gets the prompt: nothing of ours is in a target that stands then.
    if (!running()) {
        (void)breakpoints_.lift();
        drop_temporaries();
        reselected_.reset();
    }
    return std::unexpected(std::move(error));
}

Result<void> Controller::begin(const Goal& goal, std::optional<bool> handled, Work* work) {
    POOLKD_TRY(target::RunControl * control, run_control());
    if (control->running()) return fail(ErrorKind::usage, "The target is running already");
    POOLKD_CHECK(report_from_owner());
    const bool as_handled = handled.value_or(!last_ || last_->handled);
    POOLKD_CHECK(skip_hard_breakpoint());
    break_in_sent_ = false;
    for (Trace& trace : traces_)
        trace.wanted = false;
    drop_temporaries(); // of a run whose end could not be told
    goal_ = goal;
    auto begun = add_temporaries();
    if (begun) begun = set_going(as_handled);
    if (!begun) return give_up(std::move(begun).error(), work);
    return {};
}

Result<void> Controller::keep_breakpoints(bool keep) {
    keeps_breakpoints_ = keep;
    return keep || running() ? Result<void>{} : breakpoints_.lift();
}

Result<void> Controller::go(std::optional<bool> handled) {
    return begin({}, handled, nullptr);
}

Result<void> Controller::ask_to_stop() {
    POOLKD_TRY(target::RunControl * control, run_control());
    POOLKD_CHECK(control->break_in());
    break_in_sent_ = true;
    break_in_time_ = break_in_last_ = std::chrono::steady_clock::now();
    return {};
}

Result<std::optional<StopReport>> Controller::wait_for(Work& work, std::chrono::milliseconds limit,
                                                       OnRequest on_request) {
    POOLKD_TRY(target::RunControl * control, run_control());
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
        if (!control->running()) return fail(ErrorKind::usage, "The target is not running");
        auto now = std::chrono::steady_clock::now();
        if (work.stop_requested()) {
            if (on_request == OnRequest::leave) return fail(ErrorKind::stopped, "Stopped by the user");
            work.clear_stop();
            if (break_in_sent_) {
                break_in_sent_ = false;
                return fail(ErrorKind::stopped,
                            "Stopped waiting; the target has not answered the break-in and may still run");
            }
            POOLKD_CHECK(ask_to_stop());
        }
        if (break_in_sent_ && now - break_in_time_ > break_in_limit) {
            break_in_sent_ = false;
            return fail(ErrorKind::link,
                        "The target does not answer the break-in; it may be frozen, or the line is silent");
        }
        if (break_in_sent_ && now - break_in_last_ > break_in_again) {
            POOLKD_CHECK(control->break_in());
            break_in_last_ = now;
        }
        if (!break_in_sent_ && now >= end) return std::optional<StopReport>{};
        auto slice = std::min<std::chrono::milliseconds>(
            wait_slice, std::chrono::duration_cast<std::chrono::milliseconds>(
                            break_in_sent_ ? std::chrono::milliseconds(wait_slice) : end - now) +
                            1ms);
        auto stop = control->wait(work, slice);
        if (!stop) {
            if (stop.error().kind == ErrorKind::stopped) {
                work.request_stop();
                continue;
            }
            return std::unexpected(std::move(stop).error());
        }
        if (!*stop) continue;
        auto taken = take(std::move(**stop));
        if (!taken) return give_up(std::move(taken).error(), &work);
        auto report = settle();
        if (!report && report.error().kind == ErrorKind::stopped) {
            // A Ctrl-C cut off the requests that a stop takes. Half done they would leave the target in between, so
            // they are done first.
            work.clear_stop();
            report = settle();
            if (report && !*report) work.request_stop();
        }
        if (!report) return give_up(std::move(report).error(), &work);
        if (*report) return std::move(*report);
    }
}

Result<std::optional<StopReport>> Controller::wait_for(Work& work, std::chrono::milliseconds limit) {
    return wait_for(work, limit, OnRequest::break_in);
}

Result<std::optional<StopReport>> Controller::let_run(Work& work, std::chrono::milliseconds limit) {
    return wait_for(work, limit, OnRequest::leave);
}

Result<StopReport> Controller::stop(Work& work) {
    if (!running()) return fail(ErrorKind::usage, "The target is not running");
    if (!break_in_sent_) POOLKD_CHECK(ask_to_stop());
    return wait(work);
}

Result<StopReport> Controller::wait(Work& work) {
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        const auto until = goal_.until.value_or(now + 24h);
        if (until <= now && !break_in_sent_) {
            goal_.until.reset();
            time_is_over_ = true;
            POOLKD_CHECK(ask_to_stop());
            continue;
        }
        POOLKD_TRY(std::optional<StopReport> report,
                   wait_for(work, std::max<std::chrono::milliseconds>(
                                      0ms, std::chrono::ceil<std::chrono::milliseconds>(until - now))));
        if (report) return std::move(*report);
    }
}

Result<StopReport> Controller::go_and_wait(Work& work, std::optional<bool> handled) {
    return run({}, work, handled);
}

Result<StopReport> Controller::run(const Goal& goal, Work& work, std::optional<bool> handled) {
    time_is_over_ = false;
    POOLKD_CHECK(begin(goal, handled, &work));
    return wait(work);
}

Result<StopReport> Controller::step(Step kind, Work& work) {
    if (!last_) return fail(ErrorKind::usage, "The target is running");
    // The processor that stopped the machine must be past its own int 3, too: it goes when the other one steps.
    const std::uint32_t processor = last_->stop.processor;
    const bool foreign = owner_.has_value();
    POOLKD_CHECK(report_from_owner());
    POOLKD_CHECK(skip_hard_breakpoint());
    std::vector<VirtAddr> here;
    if (foreign) {
        POOLKD_TRY(last_->stop.ip, instruction_pointer());
        here.push_back(last_->stop.ip); // it would only hit what it stands at once more
        POOLKD_CHECK(switch_processor(processor));
    }
    POOLKD_TRY(RegisterFile registers, kernel_.target().registers(processor));
    break_in_sent_ = false;
    for (Trace& trace : traces_)
        trace.wanted = false;
    goal_ = Goal{.addresses = {}, .above_sp = {}, .thread = last_->stop.thread, .stepping = true, .until = {}};
    if (kind == Step::over) {
        POOLKD_TRY(std::optional<VirtAddr> after, end_of_call(kernel_, registers.ip()));
        if (after) {
            goal_.addresses = {*after};
            goal_.above_sp = registers.sp() - 1;
        }
    }
    here.push_back(registers.ip());
    drop_temporaries(); // of a run whose end could not be told
    auto begun = add_temporaries();
    if (begun) begun = breakpoints_.plant(here);
    if (!begun) return give_up(std::move(begun).error(), &work);
    // Where the step is to end, a breakpoint is needed as soon as one instruction is done, whoever stands there now.
    const bool off = breakpoints_.stops_at(registers.ip()) || std::ranges::any_of(here, [&](VirtAddr at) {
                         return std::ranges::count(goal_.addresses, at) != 0;
                     });
    begun = goal_.addresses.empty() || off ? trace(registers.ip(), goal_.addresses.empty()) : resume(false, true);
    if (!begun) return give_up(std::move(begun).error(), &work);
    if (owner_) reselected_ = Reselected{std::exchange(owner_, std::nullopt)->stop, here};
    return wait(work);
}

Result<StopReport> Controller::go_on(Work& work) {
    const bool mid_step = std::ranges::any_of(traces_, &Trace::wanted);
    if (!mid_step) return run(goal_, work);
    // The instruction of a step is still to come, in its own thread.
    POOLKD_CHECK(report_from_owner());
    POOLKD_CHECK(skip_hard_breakpoint());
    if (auto going = set_going(!last_ || last_->handled); !going) return give_up(std::move(going).error(), &work);
    return wait(work);
}

Result<void> Controller::switch_processor(std::uint32_t processor) {
    POOLKD_TRY(target::RunControl * control, run_control());
    if (control->running() || !last_) return fail(ErrorKind::usage, "The target is running");
    if (processor == last_->stop.processor) return {};
    auto stop = control->switch_processor(processor);
    breakpoints_.stopped_at(control->last_stop().ip); // the rule of the 16 bytes holds for this report, too
    if (!stop) return std::unexpected(std::move(stop).error());
    if (!owner_) owner_ = last_;
    untouched_ = false;
    if (processor == owner_->stop.processor) {
        last_ = *std::exchange(owner_, std::nullopt);
    } else {
        StopReport report;
        report.stop = std::move(*stop);
        report.time = owner_->time;
        last_ = std::move(report);
    }
    return {};
}

Result<void> Controller::reboot() {
    POOLKD_TRY(target::RunControl * control, run_control());
    POOLKD_CHECK(control->reboot());
    last_.reset();
    goal_ = {};
    break_in_sent_ = false;
    return {};
}

Result<void> Controller::report_from_owner() {
    return owner_ ? switch_processor(owner_->stop.processor) : Result<void>{};
}

Result<void> Controller::clear_traces() {
    // Without a debugger a trap flag that comes back stops the machine for ever. Those that remain are of threads that
    // were interrupted: their flags are on their stacks.
    target::Writable* writable = kernel_.target().writable();
    std::vector<Trace> remaining;
    for (const Trace& trace : traces_) {
        if (!writable || trace.processor >= kernel_.target().identity().processors) continue;
        POOLKD_TRY(RegisterFile registers, kernel_.target().registers(trace.processor));
        const std::string_view flags = kernel_.machine().flags;
        const std::uint64_t value = registers.get(flags).value_or(0);
        if ((value & trap_flag) == 0) {
            remaining.push_back(trace);
            continue;
        }
        registers.set(flags, value & ~trap_flag);
        POOLKD_CHECK(writable->set_registers(trace.processor, registers));
    }
    traces_ = std::move(remaining);
    return {};
}

Result<void> Controller::empty() {
    POOLKD_CHECK(report_from_owner());
    POOLKD_CHECK(breakpoints_.withdraw());
    POOLKD_CHECK(clear_traces());
    while (!breakpoints_.all().empty())
        POOLKD_CHECK(breakpoints_.remove(breakpoints_.all().front().id));
    return {};
}

Result<void> Controller::detach() {
    if (!kernel_.target().run_control()) return {};
    if (running()) {
        // When the line broke while it stood, it counts as running, but most likely stands.
        const bool in_doubt = last_.has_value();
        if (!breakpoints_.planted() && traces_.empty() && !in_doubt) return {};
        // What is ours can only be taken out of a target that stands.
        Work work;
        work.request_stop();
        POOLKD_TRY(StopReport report, wait(work));
    }
    const bool watched = breakpoints_.watches_armed();
    POOLKD_CHECK(empty());
    POOLKD_CHECK(go());
    // An int 3 of the target's own (PoolHitTag) can wait on another processor, too.
    const bool others = kernel_.target().identity().processors > 1;
    return watched || others || !traces_.empty() || journal_.had_breakpoints() ? see_off() : Result<void>{};
}

Result<void> Controller::see_off() {
    // A processor may have run into a breakpoint while another one was reporting, and an interrupt may have come before
    // an instruction that was to be traced: these stops are still to come, and without a debugger they would last.
    Work work;
    const auto end = std::chrono::steady_clock::now() + longest_farewell;
    while (std::chrono::steady_clock::now() < end) {
        POOLKD_TRY(const std::optional<StopReport> report, let_run(work, farewell));
        if (report) {
            POOLKD_CHECK(go()); // one of the target's own: nobody is there for it any more
        } else if (traces_.empty()) {
            break;
        }
    }
    traces_.clear();
    return {};
}

Result<void> Controller::leave_as_it_is() {
    if (!kernel_.target().run_control()) return {};
    return running() ? detach() : empty();
}

Result<unsigned> Controller::adopt_stop() {
    POOLKD_TRY(target::RunControl * control, run_control());
    if (control->running()) return 0u;
    StopReport report;
    report.stop = control->last_stop();
    report.time = std::chrono::system_clock::now();
    const target::ExceptionStop* exception = exception_of(report.stop);
    report.kind = exception && exception->code == status_breakpoint ? StopKind::hard_breakpoint : StopKind::exception;
    DebugRegisters left{.control = report.stop.dr7};
    // A report that is repeated tells what was before the last debugger went.
    if (left.control != DebugRegisters::idle)
        if (auto special = kernel_.target().special_registers(report.stop.processor))
            left = debug_registers_of(kernel_.machine(), *special).value_or(left);
    unsigned armed = 0;
    for (unsigned slot = 0; slot < DebugRegisters::slots; ++slot)
        armed += left.enabled(slot) ? 1u : 0u;
    if (armed != 0) breakpoints_.adopt(left);
    last_event_ = last_ = std::move(report);
    return armed;
}

// --- what belongs to a stop that passes by or is reported -----------------------------------------------------------

bool Controller::refresh_modules() {
    (void)kernel_.modules().refresh();
    return !resolver_ || breakpoints_.resolve(resolver_);
}

Result<void> Controller::take(target::Stop stop) {
    if (stop.after_restart) note_restart();
    breakpoints_.stopped_at(stop.ip);
    if (const auto* exception = exception_of(stop); exception && exception->code == status_single_step) {
        if ((stop.dr6 & dr6_causes) == 0) stop.dr6 |= waiting_hits_[stop.processor];
        waiting_hits_.erase(stop.processor);
    }
    StopReport seen; // until it is judged
    seen.stop = stop;
    last_ = std::move(seen);
    untouched_ = true;
    outcome_ = {};
    if (reselected_ && same_stop(reselected_->stop, stop)) {
        // The processor that had stopped the machine has its turn once more before the machine runs.
        outcome_.owners_turn = true;
        return {};
    }
    reselected_.reset();
    POOLKD_TRY(outcome_, classify(std::move(stop)));
    if (!outcome_.report) return {};
    if (break_in_sent_ && !outcome_.report->requested && !time_is_over_) {
        outcome_.report->overtook = true;
        outcome_.report->command.clear(); // the user wants the prompt, and they may let it go on
    }
    last_event_ = last_ = outcome_.report;
    untouched_ = false;
    break_in_sent_ = false;
    restarted_ = false;
    if (last_->kind == StopKind::step_done) goal_ = {};
    return {};
}

Result<std::optional<StopReport>> Controller::settle() {
    if (!outcome_.report) {
        if (running()) return std::optional<StopReport>{}; // it went on, or a newer stop waits already
        if (outcome_.owners_turn) {
            // Its report took breakpoints out of the target's table, as every one does.
            POOLKD_CHECK(breakpoints_.plant(reselected_->here));
            POOLKD_CHECK(resume(false, true));
            reselected_.reset();
            return std::optional<StopReport>{};
        }
        POOLKD_CHECK(skip_hard_breakpoint());
        POOLKD_CHECK(set_going(outcome_.handled));
        return std::optional<StopReport>{};
    }
    // While the user looks, the target's code is as it was built: `u` and searches see no int 3 of ours, and a
    // debugger that dies here leaves none behind.
    if (!keeps_breakpoints_) POOLKD_CHECK(breakpoints_.lift());
    drop_temporaries();
    const bool refreshed = !modules_changed_ || refresh_modules();
    std::erase_if(leaving_, [&](VirtAddr base) {
        return std::ranges::none_of(kernel_.modules().loaded(),
                                    [&](const auto& module) { return module->base == base; });
    });
    modules_changed_ = !refreshed || !leaving_.empty();
    return outcome_.report;
}

} // namespace poolkd::control
