#pragma once

#include "base/work.h"

#include <chrono>

namespace poolkd::hunt {

/// A part of some work that may take only so long: it stops at its time, or when the whole is to stop. The request of
/// the user stays with the whole.
class TimedWork {
  public:
    using Clock = std::chrono::steady_clock;

    TimedWork(Work& whole, Clock::time_point until)
        : whole_(whole), until_(until), part_(
                                            [this](std::string_view what, std::uint64_t done, std::uint64_t total) {
                                                whole_.progress(what, done, total);
                                                (void)look();
                                            },
                                            std::chrono::milliseconds(100)) {}
    TimedWork(const TimedWork&) = delete;
    TimedWork& operator=(const TimedWork&) = delete;

    [[nodiscard]] Work& work() { return part_; }
    /// To be called now and then by whoever reports no progress. True: it is to stop.
    bool look() {
        if (whole_.stop_requested() || late()) part_.request_stop();
        return part_.stop_requested();
    }
    [[nodiscard]] bool late() const { return Clock::now() >= until_; }

  private:
    Work& whole_;
    Clock::time_point until_;
    Work part_;
};

} // namespace poolkd::hunt
