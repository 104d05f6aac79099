#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>
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

TEST(Parallel, AnExceptionReachesTheCaller) {
    for (const std::size_t threads : {1u, 2u, 7u}) {
        std::atomic<std::size_t> begun{0};
        EXPECT_THROW(run_parallel(100'000, threads,
                                  [&](std::size_t, std::size_t) {
                                      ++begun;
                                      throw std::bad_alloc();
                                  }),
                     std::bad_alloc);
        EXPECT_LE(begun, threads) << "no other job begins";
        Work work;
        EXPECT_THROW(run_parallel(3, threads, work, "Jobs", [](std::size_t, Work&) { throw std::bad_alloc(); }),
                     std::bad_alloc);
    }
}

TEST(Parallel, AStopReachesEachThread) {
    constexpr std::size_t threads = 3;
    Work work;
    std::atomic<std::size_t> begun{0}, heard{0};
    // A thread that cannot be started never begins: then the test fails, and ends.
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    run_parallel(100, threads, work, "Jobs", [&](std::size_t, Work& own) {
        // The last one to begin is the user.
        if (++begun == threads) work.request_stop();
        while (!own.stop_requested()) {
            if (std::chrono::steady_clock::now() > latest) work.request_stop();
            std::this_thread::yield();
        }
        ++heard;
    });
    EXPECT_EQ(begun, threads);
    EXPECT_EQ(heard, threads);
}

TEST(Parallel, TellsProgressOfJobs) {
    std::uint64_t last = 0, total = 0;
    std::string words;
    Work work(
        [&](std::string_view what, std::uint64_t done, std::uint64_t of) {
            words = what;
            last = done;
            total = of;
        },
        std::chrono::milliseconds(0));
    std::atomic<std::size_t> done{0};
    run_parallel(20, 2, work, "Jobs", [&](std::size_t, Work& own) {
        EXPECT_NE(&own, &work) << "progress is the business of one thread";
        ++done;
    });
    EXPECT_EQ(done, 20u);
    EXPECT_EQ(words, "Jobs");
    EXPECT_EQ(total, 20u);
    EXPECT_LE(last, 20u);
    run_parallel(1, 2, work, "Jobs", [&](std::size_t, Work& own) { EXPECT_EQ(&own, &work); });
}

} // namespace
} // namespace poolkd
