#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

namespace poolkd {

/// Passed to everything that can take long: carries the user's wish to stop, and takes progress.
/// `request_stop` and `request_end` may be called from a signal handler or another thread; the rest belongs to the
/// working thread.
class Work {
  public:
    using Report = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)>;

    Work() = default;
    explicit Work(Report report, std::chrono::milliseconds first = std::chrono::milliseconds(2000))
        : report_(std::move(report)), next_(std::chrono::steady_clock::now() + first) {}
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

    void request_stop() noexcept { stop_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool stop_requested() const noexcept { return stop_.load(std::memory_order_relaxed); }
    void clear_stop() noexcept { stop_.store(false, std::memory_order_relaxed); }
    /// For a signal that ends the process: a stop that goes on to the end of the session. Further ones change nothing,
    /// so that a second signal does not cut off what the first one began to put in order.
    void request_end() noexcept {
        if (!end_.exchange(true, std::memory_order_relaxed)) request_stop();
    }
    [[nodiscard]] bool end_requested() const noexcept { return end_.load(std::memory_order_relaxed); }

    /// `total` 0 means unknown. Reports reach the sink only after two seconds, then twice a second.
    void progress(std::string_view what, std::uint64_t done, std::uint64_t total);
    /// True once something was reported since the last `restart` (so that the sink can clear its line).
    [[nodiscard]] bool reported() const { return reported_; }
    void restart();
    /// Another sink for progress; an empty one: nobody wants it.
    void report_to(Report report) { report_ = std::move(report); }

  private:
    std::atomic<bool> stop_{false};
    std::atomic<bool> end_{false};
    Report report_;
    std::chrono::steady_clock::time_point next_{};
    bool reported_ = false;
};

} // namespace poolkd
