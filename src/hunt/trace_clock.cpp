#include "hunt/trace_clock.h"

#include "nt/shared_data.h"

#include <algorithm>

namespace poolkd::hunt {

using namespace std::chrono_literals;
using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::nanoseconds;

namespace {

constexpr auto read_interval = 250ms;

} // namespace

void TraceClock::begin() {
    *this = TraceClock(*kernel_);
    read_target();
}

void TraceClock::stopped() {
    changed_ = HostClock::now();
    stands_ = true;
    if (changed_ - read_at_ >= read_interval) read_target();
}

void TraceClock::resumed() {
    const auto now = HostClock::now();
    if (stands_) stood_ += now - changed_;
    changed_ = now;
    stands_ = false;
}

void TraceClock::pausing(bool on) {
    const auto now = HostClock::now();
    if (pausing_) paused_ += now - pause_begun_;
    pausing_ = on;
    pause_begun_ = now;
}

nanoseconds TraceClock::standing() const {
    return stood_ + (stands_ ? HostClock::now() - changed_ : 0ns);
}

nanoseconds TraceClock::paused() const {
    return paused_ + (pausing_ ? HostClock::now() - pause_begun_ : 0ns);
}

nanoseconds TraceClock::ran() const {
    return elapsed() - standing();
}

void TraceClock::read_target() {
    read_at_ = HostClock::now();
    if (!readable_) return;
    auto data = nt::read_shared_data(kernel_->memory(), kernel_->machine());
    readable_ = data.has_value();
    if (!data) return;
    const milliseconds uptime = data->uptime();
    if (!first_) first_ = uptime;
    ran_at_read_ = ran();
    read_ = std::max(read_, uptime - *first_);
    time_ = data->time();
}

milliseconds TraceClock::now() const {
    return read_ + duration_cast<milliseconds>(ran() - ran_at_read_);
}

std::optional<Time> TraceClock::time() const {
    if (!time_) return std::nullopt;
    return *time_ + duration_cast<milliseconds>(ran() - ran_at_read_);
}

} // namespace poolkd::hunt
