#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace poolkd {
namespace {

TEST(Parallel, DoesEachJobOnce) {
    for (const std::size_t threads : {1u, 2u, 7u}) {
        std::vector<std::atomic<int>> done(1000);
        std::atomic<bool> other_thread{false};
        run_parallel(done.size(), threads, [&](std::size_t job, std::size_t thread) {
            ++done[job];
            if (thread >= threads) other_thread = true;
        });
        for (const auto& times : done)
            EXPECT_EQ(times, 1);
        EXPECT_FALSE(other_thread);
    }
}

TEST(Parallel, NothingToDo) {
    run_parallel(0, 4, [](std::size_t, std::size_t) { FAIL(); });
    EXPECT_GE(worker_threads(), 1u);
}

} // namespace
} // namespace poolkd
