#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace poolkd {

std::size_t worker_threads() {
    constexpr std::size_t most = 8; // memory gives no more
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, most);
}

void run_parallel(std::size_t jobs, std::size_t threads,
                  const std::function<void(std::size_t job, std::size_t thread)>& job) {
    std::atomic<std::size_t> next{0};
    auto work = [&](std::size_t thread) {
        for (std::size_t mine = next++; mine < jobs; mine = next++)
            job(mine, thread);
    };
    std::vector<std::jthread> others;
    for (std::size_t thread = 1; thread < std::min(threads, jobs); ++thread) {
        try {
            others.emplace_back(work, thread);
        } catch (const std::system_error&) {
            break; // no more threads to be had: those that run do it all
        }
    }
    work(0);
}

} // namespace poolkd
