#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <mutex>
#include <semaphore>
#include <system_error>
#include <thread>
#include <vector>

namespace poolkd {

namespace {

/// Jobs that threads take, and the first exception that one of them ended with.
class JobQueue {
  public:
    explicit JobQueue(std::size_t jobs) : jobs_(jobs) {}

    /// What each thread runs.
    template <class Job>
    void work_off(const Job& job) {
        try {
            for (std::size_t mine = next_++; mine < jobs_; mine = next_++, ++done_)
                job(mine);
        } catch (...) {
            next_ = jobs_;
            const std::lock_guard lock(mutex_);
            if (!failure_) failure_ = std::current_exception();
        }
    }
    [[nodiscard]] std::size_t done() const { return done_; }
    /// Once all threads have ended.
    void rethrow() const {
        if (failure_) std::rethrow_exception(failure_);
    }

  private:
    std::size_t jobs_;
    std::atomic<std::size_t> next_{0}, done_{0};
    std::mutex mutex_;
    std::exception_ptr failure_;
};

/// Starts a thread; false when no more are to be had: those that run do it all.
template <class Run>
bool start(std::vector<std::jthread>& threads, Run&& run) {
    try {
        threads.emplace_back(std::forward<Run>(run));
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

} // namespace

std::size_t worker_threads() {
    constexpr std::size_t most = 8; // memory gives no more
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most);
}

void run_parallel(std::size_t jobs, std::size_t threads,
                  const std::function<void(std::size_t job, std::size_t thread)>& job) {
    JobQueue queue(jobs);
    auto work = [&](std::size_t thread) { queue.work_off([&](std::size_t mine) { job(mine, thread); }); };
    {
        std::vector<std::jthread> others;
        for (std::size_t thread = 1; thread < std::min(threads, jobs); ++thread)
            if (!start(others, [&work, thread] { work(thread); })) break;
        work(0);
    }
    queue.rethrow();
}

void run_parallel(std::size_t jobs, std::size_t threads, Work& work, std::string_view what,
                  const std::function<void(std::size_t job, Work& own)>& job) {
    JobQueue queue(jobs);
    auto work_off = [&](Work& own) {
        queue.work_off([&](std::size_t mine) {
            if (!own.stop_requested()) job(mine, own);
        });
    };
    const std::size_t count = std::min(threads, jobs);
    std::deque<Work> works(count > 1 ? count : 0);
    std::counting_semaphore<> ended(0);
    {
        std::vector<std::jthread> others;
        for (Work& own : works)
            if (!start(others, [&] {
                    work_off(own);
                    ended.release();
                }))
                break;
        if (others.empty()) work_off(work);
        // This thread shows how far they are, and hears the user.
        constexpr std::chrono::milliseconds moment(100);
        for (std::size_t left = others.size(); left > 0;) {
            if (ended.try_acquire_for(moment)) --left;
            work.progress(what, queue.done(), jobs);
            if (work.stop_requested())
                for (Work& own : works)
                    own.request_stop();
        }
    }
    queue.rethrow();
}

} // namespace poolkd
