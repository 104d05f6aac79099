#include "base/duration.h"
#include "hunt/hunt_steps.h"

#include <fmt/format.h>

namespace poolkd::hunt {

using namespace std::chrono_literals;

HuntTimes times_of(std::chrono::milliseconds budget) {
    // The judge wants a good thirty snapshots of a tag that frees most of its blocks too.
    HuntTimes times;
    const auto counting = budget * 2 / 5;
    times.interval = std::clamp<std::chrono::milliseconds>(counting / (HuntTimes::snapshots - 1), 50ms, 60s);
    times.code = budget / 5;
    times.memory = budget / 10;
    return times;
}

std::vector<HuntStep> plan_of(const HuntInput& input) {
    std::vector<HuntStep> steps;
    auto add = [&](std::string text) { steps.push_back({std::move(text), false, {}}); };
    const bool live = input.controller != nullptr;
    if (input.series) {
        add("Judge the counters of the evidence");
    } else {
        const HuntTimes times = times_of(input.options.budget.value_or(default_budget));
        add(fmt::format("Judge the counters of the target: {} snapshots, {} apart", HuntTimes::snapshots,
                        duration_text(times.interval)));
    }
    if (!input.kernel) return steps;
    add("Look through the code of the modules for who allocates and frees under which tag");
    if (live) add("Watch the suspects: stop at each allocation and free, and see which blocks stay");
    add("Walk the pool: sizes and contents of the suspects' blocks, and who holds them");
    add("Weigh it all");
    return steps;
}

} // namespace poolkd::hunt
