#pragma once

#include <cstddef>
#include <functional>

namespace poolkd {

/// How many threads are worth it for work that only computes.
[[nodiscard]] std::size_t worker_threads();

/// Does jobs 0 to `jobs` - 1 on up to `threads` threads, the calling one among them, each taking the next that nobody
/// has; returns when all are done. `job` is told which thread it runs on, from 0.
void run_parallel(std::size_t jobs, std::size_t threads,
                  const std::function<void(std::size_t job, std::size_t thread)>& job);

} // namespace poolkd
