#include "control/controller.h"
#include "control/exceptions.h"

#include <algorithm>

/// The controller's judgement: what a stop of the target means, and whether it is one for the user.
namespace poolkd::control {

namespace {

constexpr std::uint64_t dr6_single_step = 0x4000;

} // namespace

void Controller::note_restart() {
    breakpoints_.target_restarted();
    traces_.clear();
    waiting_hits_.clear();
    temporaries_.clear();
    owner_.reset();
    leaving_.clear();
    // A new boot has a journal of its own; what stood in the old memory is gone with it.
    (void)kernel_.reload();
    (void)journal_.attach();
    restarted_ = true;
    if (resolver_ && !breakpoints_.resolve(resolver_)) modules_changed_ = true;
}

void Controller::note_module_change(const target::ModuleChange& change) {
    modules_changed_ = true;
    std::erase(leaving_, change.base);
    if (change.loaded) {
        refresh_modules(); // a breakpoint on a name must be there before the new module runs
        if (load_notice_) load_notice_(change.base);
    } else {
        leaving_.push_back(change.base);
    }
}

bool Controller::reached_goal(const target::Stop& stop) {
    if (goal_.thread && stop.thread && goal_.thread != stop.thread) return false;
    if (!goal_.above_sp) return true;
    // A deeper call of the same function passes the place with a lower stack pointer.
    auto registers = kernel_.target().registers(stop.processor);
    return !registers || registers->sp() > goal_.above_sp;
}

Result<bool> Controller::counts(Breakpoint& hit, StopReport& report) {
    if (hit.thread && hit.thread != report.stop.thread) return false;
    if (hit.process) {
        auto process = kernel_.process_of_thread(report.stop.thread);
        if (!process) {
            report.note = fmt::format("The process is not known: {}", process.error().message);
        } else if (*process != hit.process) {
            return false;
        }
    }
    if (!hit.condition.empty() && condition_) {
        auto holds = condition_(hit.condition);
        // A Ctrl-C in the middle of it asks for a stop, and here is one.
        if (!holds) {
            report.note =
                fmt::format("The condition '{}' cannot be evaluated: {}", hit.condition, holds.error().message);
        } else if (!*holds) {
            return false;
        }
    }
    if (hit.passes_left <= 1) return true;
    if (!goal_.stepping) --hit.passes_left;
    return false;
}

Result<bool> Controller::stops_here(const std::vector<Breakpoint*>& hits, StopReport& report) {
    for (Breakpoint* hit : hits) {
        if (hit->internal) continue;
        POOLKD_TRY(bool stops, counts(*hit, report));
        if (!stops) continue;
        report.kind = StopKind::breakpoint;
        report.breakpoint_id = hit->id;
        report.command = hit->command;
        if (hit->one_shot) POOLKD_CHECK(breakpoints_.remove(hit->id));
        return true;
    }
    return false;
}

Result<Controller::Outcome> Controller::classify(target::Stop stop) {
    StopReport report;
    report.stop = std::move(stop);
    report.target_restarted = restarted_;
    report.time = std::chrono::system_clock::now();
    if (const auto* change = std::get_if<target::ModuleChange>(&report.stop.reason))
        return classify_module(*change, report);
    if (const auto* exception = exception_of(report.stop)) return classify_exception(*exception, report);
    return Outcome{}; // the target offers a command; it is not run unseen
}

Result<Controller::Outcome> Controller::classify_module(const target::ModuleChange& change, StopReport report) {
    if (!report.stop.after_restart) note_module_change(change);
    const EventFilter& filter = change.loaded ? filters_.load() : filters_.unload();
    if (!filter.fits(change.path)) return Outcome{};
    // An event has no second chance: of `sxd` the message is left.
    const bool told = filter.reaction == Reaction::tell || filter.reaction == Reaction::second_chance;
    if (told && event_notice_) event_notice_(report.stop);
    if (filter.reaction != Reaction::stop) return Outcome{};
    report.kind = change.loaded ? StopKind::module_load : StopKind::module_unload;
    report.command = filter.command;
    return Outcome{.report = std::move(report)};
}

Result<Controller::Outcome> Controller::classify_exception(const target::ExceptionStop& exception, StopReport report) {
    const target::Stop& stop = report.stop;
    const EventFilter& filter = filters_.for_exception(exception.code);
    // It was to get off the breakpoints here, and another stop came first: no new hit.
    const bool again =
        std::ranges::any_of(traces_, [&](const Trace& trace) { return trace.is_of(stop) && trace.from == stop.ip; });
    if (exception.code == status_single_step) {
        std::vector<Breakpoint*> hits = breakpoints_.watching(stop.dr6);
        const bool watched = !hits.empty();
        if (again)
            std::erase_if(hits, [&](const Breakpoint* hit) { return hit->on_execution() && hit->address == stop.ip; });
        // One instruction can be both traced and watched; an interrupt's code can be watched before the traced one ran.
        std::optional<Trace> traced;
        if (!watched || (stop.dr6 & dr6_single_step) != 0) traced = take_trace(stop);
        bool arrived = traced && traced->wanted;
        if (traced && !traced->wanted) {
            // Off one breakpoint and at the next: nothing else tells of it, since going on steps off it, too.
            for (Breakpoint* next : breakpoints_.before(stop.ip)) {
                arrived = arrived || (next->internal && reached_goal(stop));
                hits.push_back(next);
            }
        }
        POOLKD_TRY(bool stops, stops_here(hits, report));
        if (!stops && arrived) {
            report.kind = StopKind::step_done;
            stops = true;
        }
        if (stops) return Outcome{.report = std::move(report)};
        if (traced || watched) return Outcome{};
    } else if (exception.code == status_breakpoint) {
        const std::vector<Breakpoint*> hits = breakpoints_.at(stop.ip);
        if (!hits.empty() && !again) {
            // A step may end at a place where the user's breakpoint lets it pass.
            const bool temporary = std::ranges::any_of(hits, &Breakpoint::internal);
            POOLKD_TRY(bool stops, stops_here(hits, report)); // may remove one of them
            if (!stops && temporary && reached_goal(stop)) {
                report.kind = StopKind::step_done;
                stops = true;
            }
            if (stops) return Outcome{.report = std::move(report)};
        }
        if (!hits.empty() || breakpoints_.doomed_at(stop.ip)) return Outcome{};
        // Another processor ran into one before the user removed it, and had to wait for its turn.
        if (journal_.had_breakpoint(stop.ip) && !at_hard_breakpoint(stop)) return Outcome{};
        report.kind = StopKind::hard_breakpoint;
        report.requested = break_in_sent_;
        report.planned = report.requested && time_is_over_;
    }
    report.handled = filter.handled || !exception.first_chance;
    // Whoever broke in wants the prompt.
    if (!report.requested) report.command = exception.first_chance ? filter.command : filter.second_command;
    const bool stops = report.requested || filter.reaction == Reaction::stop ||
                       (filter.reaction == Reaction::second_chance && !exception.first_chance);
    if (stops) return Outcome{.report = std::move(report)};
    if (filter.reaction == Reaction::tell && event_notice_) event_notice_(stop);
    return Outcome{.report = std::nullopt, .handled = filter.handled};
}

} // namespace poolkd::control
