#pragma once

#include "hunt/clues.h"
#include "hunt/hunt.h"
#include "hunt/hunt_steps.h"

#include <chrono>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// A hunt under way: what it was given, what it knows by now, and what it has reported.
class HuntState {
  public:
    using Clock = std::chrono::steady_clock;

    HuntState(HuntInput& given, Work& whole);

    [[nodiscard]] bool live() const { return input.controller != nullptr; }
    [[nodiscard]] std::chrono::milliseconds spent() const {
        return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_);
    }
    /// Of the budget; none may be left.
    [[nodiscard]] std::chrono::milliseconds left() const { return budget_ - spent(); }
    [[nodiscard]] const TagVerdict& row_of(const Suspect& suspect) const { return report.verdict.rows[suspect.row]; }

    void begin_step();
    void end_step(std::string outcome, bool done = true);
    /// Whether the user wants no more; the request is answered by the partial report.
    bool stopped();
    /// Ends the step that is next when the user wants no more.
    bool skip_step();

    HuntInput& input;
    Work& work;
    HuntTimes times;
    HuntReport report;
    bool foreign_stop = false; ///< the target stopped by itself, and must stay so
    /// How many the link carries in a second, as far as the counters told; 0: not known.
    double bytes_a_second = 0;
    std::vector<ClueModule> modules;
    CallTargets call_targets;
    std::vector<BlockClues> blocks; ///< of the suspects, in their order

  private:
    std::chrono::milliseconds budget_;
    Clock::time_point begun_;
    std::size_t step_ = 0;
};

} // namespace poolkd::hunt
