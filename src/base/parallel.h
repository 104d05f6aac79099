#pragma once

#include "base/work.h"

#include <cstddef>
#include <functional>
#include <string_view>

namespace poolkd {

/// How many threads are worth it for work that only computes.
[[nodiscard]] std::size_t worker_threads();

/// Does jobs 0 to `jobs` - 1 on up to `threads` threads, the calling one among them, each taking the next that nobody
/// has; returns when all are done. `job` is told which thread it runs on, from 0. Once a job throws no other begins,
/// and the exception goes on from here when those that run have ended.
void run_parallel(std::size_t jobs, std::size_t threads,
                  const std::function<void(std::size_t job, std::size_t thread)>& job);

/// The same for jobs that can be stopped: each thread has a Work of its own, for the calling one tells how many jobs
/// are done ("Files looked through") and passes the user's stop on. After a stop no other job begins. A single thread
/// works with `work` itself.
void run_parallel(std::size_t jobs, std::size_t threads, Work& work, std::string_view what,
                  const std::function<void(std::size_t job, Work& own)>& job);

} // namespace poolkd
