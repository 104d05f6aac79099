#include "control/controller.h"

#include "base/text.h"
#include "control/step_over.h"

#include <algorithm>

namespace poolkd::control {

using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t status_breakpoint = 0x80000003;
constexpr std::uint32_t status_single_step = 0x80000004;
constexpr std::byte int3{0xcc};
constexpr auto wait_slice = 100ms; // how soon a Ctrl-C is noticed

const target::ExceptionStop* exception_of(const target::Stop& stop) {
    return std::get_if<target::ExceptionStop>(&stop.reason);
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
    // skips itself (kd-protocol reference 3.3 and 10.3).
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
    return writable->set_registers(last_->stop.processor, registers);
}

Result<void> Controller::resume(bool trace, bool handled) {
    POOLKD_TRY(target::RunControl * control, run_control());
    target::Resume how;
    how.handled = handled;
    how.trace = trace;
    how.dr7 = control->last_stop().dr7;
    traced_ = trace;
    last_.reset();
    return control->resume(how);
}

Result<void> Controller::go(bool handled) {
    POOLKD_TRY(target::RunControl * control, run_control());
    if (control->running()) return fail(ErrorKind::usage, "The target is running already");
    POOLKD_CHECK(skip_hard_breakpoint());
    break_in_sent_ = false;
    std::optional<VirtAddr> here;
    // A fault that is passed on goes to its handler: a step would only make it again.
    const target::ExceptionStop* stopped_by = last_ ? exception_of(last_->stop) : nullptr;
    const bool passes_on =
        !handled && stopped_by && stopped_by->code != status_breakpoint && stopped_by->code != status_single_step;
    if (last_ && !passes_on) {
        POOLKD_TRY(RegisterFile registers, kernel_.target().registers(last_->stop.processor));
        if (breakpoints_.at(registers.ip())) here = registers.ip();
    }
    POOLKD_CHECK(breakpoints_.plant(here));
    if (here) {
        // Over a breakpoint: one instruction without it, then plant it too.
        Work step_work;
        std::optional<target::Stop> stop;
        POOLKD_CHECK(trace_once(step_work, stop));
        const target::ExceptionStop* exception = stop ? exception_of(*stop) : nullptr;
        if (!exception || exception->code != status_single_step) {
            pending_ = std::move(stop); // something else came first; the next wait hands it out
            return {};
        }
        breakpoints_.stopped_at(stop->ip);
        StopReport report;
        report.stop = *stop;
        last_ = std::move(report);
        POOLKD_CHECK(breakpoints_.plant(std::nullopt));
        return resume(false, true); // the step is our own, whatever came before it
    }
    return resume(false, handled);
}

Result<void> Controller::trace_once(Work& work, std::optional<target::Stop>& stop) {
    POOLKD_TRY(target::RunControl * control, run_control());
    POOLKD_CHECK(resume(true, true));
    POOLKD_TRY(stop, control->wait(work, break_in_limit));
    if (!stop) return fail(ErrorKind::link, "The target did not come back from a single step");
    return {};
}

void Controller::note_module_change(bool loaded) {
    modules_changed_ = true;
    // A breakpoint on a name must be there before the new module runs. One that leaves is still in the kernel's list at
    // its event: the list is read again at the next stop that the user sees.
    if (loaded) refresh_modules();
}

void Controller::refresh_modules() {
    (void)kernel_.modules().refresh();
    if (resolver_) breakpoints_.resolve(resolver_);
}

Result<std::optional<StopReport>> Controller::classify(target::Stop stop) {
    StopReport report;
    if (stop.after_restart) {
        breakpoints_.target_restarted();
        // A new boot has a journal of its own; what stood in the old memory is gone with it.
        (void)kernel_.reload();
        (void)journal_.attach();
        restarted_ = true;
        if (resolver_) breakpoints_.resolve(resolver_);
    }
    breakpoints_.stopped_at(stop.ip);
    report.target_restarted = restarted_;
    if (const auto* change = std::get_if<target::ModuleChange>(&stop.reason)) {
        if (module_notice_) module_notice_(*change);
        if (!stop.after_restart) note_module_change(change->loaded);
        if (!(change->loaded ? stop_on_load_ : stop_on_unload_)) return std::optional<StopReport>{};
        report.kind = change->loaded ? StopKind::module_load : StopKind::module_unload;
    } else if (std::holds_alternative<target::CommandStop>(stop.reason)) {
        return std::optional<StopReport>{}; // the target offers a command; it is not run unseen
    } else if (const target::ExceptionStop* exception = exception_of(stop)) {
        report.kind = StopKind::exception;
        if (exception->code == status_single_step) {
            // A trap flag that code of the target saved while it was traced comes back by itself: nobody asked.
            const bool watchpoint = (stop.dr6 & 0xf) != 0;
            if (!traced_ && !watchpoint) return std::optional<StopReport>{};
            report.kind = StopKind::step_done;
        }
        if (exception->code == status_breakpoint) {
            Breakpoint* hit = breakpoints_.at(stop.ip);
            if (hit && !hit->internal && hit->passes_left > 1) {
                --hit->passes_left;
                hit = breakpoints_.internal_at(stop.ip); // a step may end at a place that is only counted
                if (!hit) return std::optional<StopReport>{};
            }
            if (hit) {
                report.kind = hit->internal ? StopKind::step_done : StopKind::breakpoint;
                report.breakpoint_id = hit->id;
                report.breakpoint_command = hit->command;
                if (hit->one_shot) POOLKD_CHECK(breakpoints_.remove(hit->id));
            } else if (breakpoints_.doomed_at(stop.ip)) {
                return std::optional<StopReport>{};
            } else {
                report.kind = StopKind::hard_breakpoint;
            }
        }
    }
    report.requested = break_in_sent_ && report.kind == StopKind::hard_breakpoint;
    break_in_sent_ = false;
    report.stop = std::move(stop);
    restarted_ = false;
    return std::optional<StopReport>(std::move(report));
}

Result<std::optional<StopReport>> Controller::take(target::Stop stop) {
    POOLKD_TRY(std::optional<StopReport> report, classify(stop));
    if (!report) {
        // Not for the user: on it goes, over a breakpoint if it stands on one.
        StopReport passing;
        passing.stop = std::move(stop);
        last_ = std::move(passing);
        const bool asked = break_in_sent_;  // this was no answer to it
        if (!running()) POOLKD_CHECK(go()); // else a newer stop waits already
        break_in_sent_ = asked;
        return std::optional<StopReport>{};
    }
    last_ = *report;
    if (modules_changed_) refresh_modules();
    modules_changed_ = false;
    // While the user looks, the target's code is as it was built: `u` and searches see no int 3 of ours, and a
    // debugger that dies here leaves none behind.
    POOLKD_CHECK(breakpoints_.lift());
    return report;
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
        if (pending_) {
            target::Stop stop = std::move(*pending_);
            pending_.reset();
            POOLKD_TRY(std::optional<StopReport> report, take(std::move(stop)));
            if (report) return report;
            continue;
        }
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
        POOLKD_TRY(std::optional<StopReport> report, take(std::move(**stop)));
        if (report) return report;
    }
}

Result<std::optional<StopReport>> Controller::wait_for(Work& work, std::chrono::milliseconds limit) {
    return wait_for(work, limit, OnRequest::break_in);
}

Result<std::optional<StopReport>> Controller::let_run(Work& work, std::chrono::milliseconds limit) {
    return wait_for(work, limit, OnRequest::leave);
}

Result<StopReport> Controller::stop(Work& work) {
    // A stop that waits already is handed out as it is.
    if (!pending_) {
        if (!running()) return fail(ErrorKind::usage, "The target is not running");
        if (!break_in_sent_) POOLKD_CHECK(ask_to_stop());
    }
    return wait(work);
}

Result<StopReport> Controller::wait(Work& work) {
    while (true) {
        POOLKD_TRY(std::optional<StopReport> report, wait_for(work, std::chrono::hours(24)));
        if (report) return std::move(*report);
    }
}

Result<StopReport> Controller::go_and_wait(Work& work, bool handled) {
    POOLKD_CHECK(go(handled));
    return wait(work);
}

Result<StopReport> Controller::run_to(VirtAddr address, VirtAddr above_sp, Work& work) {
    Breakpoint temporary;
    temporary.address = address;
    temporary.internal = true;
    POOLKD_TRY(Breakpoints::Added added, breakpoints_.add(temporary, std::nullopt));
    Result<StopReport> report = go_and_wait(work);
    // A deeper call of the same function passes the place with a lower stack pointer: not ours yet.
    while (report && report->stop.ip == address && report->kind == StopKind::step_done && above_sp) {
        auto registers = kernel_.target().registers(report->stop.processor);
        if (!registers || registers->sp() > above_sp) break;
        report = go_and_wait(work);
    }
    // While the target runs on (the user stopped waiting) it cannot be taken out: the next stop does that, and its hits
    // are passed over. A restart has removed it already.
    if (breakpoints_.find(added.id))
        if (auto removed = breakpoints_.remove(added.id); !removed && report) return std::unexpected(removed.error());
    return report;
}

Result<StopReport> Controller::step(Step kind, Work& work) {
    if (!last_) return fail(ErrorKind::usage, "The target is running");
    POOLKD_CHECK(skip_hard_breakpoint());
    POOLKD_TRY(RegisterFile registers, kernel_.target().registers(last_->stop.processor));
    if (kind == Step::over) {
        POOLKD_TRY(std::optional<VirtAddr> after, end_of_call(kernel_, registers.ip()));
        if (after) return run_to(*after, registers.sp() - 1, work);
    }
    POOLKD_CHECK(breakpoints_.plant(registers.ip()));
    std::optional<target::Stop> stop;
    POOLKD_CHECK(trace_once(work, stop));
    POOLKD_TRY(std::optional<StopReport> report, take(std::move(*stop)));
    if (report) return std::move(*report);
    return wait(work);
}

Result<void> Controller::detach() {
    if (!kernel_.target().run_control()) return {};
    if (running()) {
        if (!breakpoints_.planted()) return {};
        // Breakpoints can only be taken out of a target that stands.
        Work work;
        work.request_stop();
        POOLKD_TRY(StopReport report, wait(work));
    }
    POOLKD_CHECK(breakpoints_.lift());
    while (!breakpoints_.all().empty())
        POOLKD_CHECK(breakpoints_.remove(breakpoints_.all().front().id));
    return go();
}

Result<void> Controller::adopt_stop() {
    POOLKD_TRY(target::RunControl * control, run_control());
    if (control->running()) return {};
    StopReport report;
    report.stop = control->last_stop();
    const target::ExceptionStop* exception = exception_of(report.stop);
    report.kind = exception && exception->code == status_breakpoint ? StopKind::hard_breakpoint : StopKind::exception;
    last_ = std::move(report);
    return {};
}

} // namespace poolkd::control
