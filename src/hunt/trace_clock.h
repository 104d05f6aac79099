#pragma once

#include "hunt/snapshot.h"
#include "nt/kernel.h"

#include <chrono>
#include <optional>

namespace poolkd::hunt {

/// Times of a target that is stopped again and again, at no request a stop: its own clock (KUSER_SHARED_DATA), read now
/// and then, and in between the host's, of which only the time counts in which it ran.
class TraceClock {
  public:
    using HostClock = std::chrono::steady_clock;

    explicit TraceClock(nt::Kernel& kernel) : kernel_(&kernel) {}

    /// Time counts from here; what was before is forgotten.
    void begin();
    /// To be called when the target stopped, and right after it was let go.
    void stopped();
    void resumed();
    /// The target does not stop at hits now, or does again.
    void pausing(bool on);

    /// The target's time since `begin`, and its calendar's where it has one.
    [[nodiscard]] std::chrono::milliseconds now() const;
    [[nodiscard]] std::optional<Time> time() const;

    [[nodiscard]] std::chrono::nanoseconds elapsed() const { return HostClock::now() - begun_; }
    [[nodiscard]] std::chrono::nanoseconds standing() const;
    [[nodiscard]] std::chrono::nanoseconds paused() const;

  private:
    void read_target();
    [[nodiscard]] std::chrono::nanoseconds ran() const; ///< since `begin`

    nt::Kernel* kernel_;
    HostClock::time_point begun_ = HostClock::now(), changed_ = begun_, read_at_{}, pause_begun_{};
    bool stands_ = true, pausing_ = false, readable_ = true;
    std::chrono::nanoseconds stood_{0}, paused_{0};
    std::chrono::nanoseconds ran_at_read_{0}; ///< by the host, when the target's clock was read last
    std::chrono::milliseconds read_{0};       ///< what it showed, since `begin`
    std::optional<std::chrono::milliseconds> first_;
    std::optional<Time> time_;
};

} // namespace poolkd::hunt
