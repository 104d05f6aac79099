#include "hunt/hunt_state.h"

namespace poolkd::hunt {

HuntState::HuntState(HuntInput& given, Work& whole)
    : input(given), work(whole), budget_(given.options.budget.value_or(default_budget)), begun_(Clock::now()) {
    times = times_of(budget_);
    report.program = input.options.program;
    report.target = input.options.target;
    report.steps = plan_of(input);
}

void HuntState::begin_step() {
    if (input.on_step) input.on_step(report.steps[step_]);
}

void HuntState::end_step(std::string outcome, bool done) {
    HuntStep& step = report.steps[step_++];
    step.done = done;
    step.outcome = std::move(outcome);
    if (input.on_step) input.on_step(step);
}

bool HuntState::stopped() {
    if (work.stop_requested()) {
        work.clear_stop();
        report.partial = true;
    }
    return report.partial;
}

bool HuntState::skip_step() {
    if (!stopped()) return false;
    end_step("Not done: stopped by the user", false);
    return true;
}

} // namespace poolkd::hunt
