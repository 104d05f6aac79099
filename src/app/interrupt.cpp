#include "app/interrupt.h"

#include <atomic>
#include <iterator>
#include <span>

namespace poolkd::app {

namespace {

std::atomic<Work*> interrupted{nullptr};
static_assert(std::atomic<Work*>::is_always_lock_free, "a signal handler may not wait");

void on_interrupt(int) {
    if (Work* work = interrupted.load(std::memory_order_relaxed)) work->request_stop();
}

void on_ending(int) {
    if (Work* work = interrupted.load(std::memory_order_relaxed)) work->request_end();
}

} // namespace

InterruptHandler::InterruptHandler(Work& work, Signals signals)
    : count_(signals == Signals::ctrl_c ? 1 : std::size(handled_)) {
    interrupted = &work;
    for (auto& [number, before] : std::span(handled_).first(count_)) {
        struct sigaction action{};
        action.sa_handler = number == SIGINT ? on_interrupt : on_ending;
        action.sa_flags = SA_RESTART;
        sigaction(number, &action, &before);
        // Who started us with nohup wants us to go on.
        if (number == SIGHUP && before.sa_handler == SIG_IGN) sigaction(number, &before, nullptr);
    }
}

InterruptHandler::~InterruptHandler() {
    for (const auto& [number, before] : std::span(handled_).first(count_))
        sigaction(number, &before, nullptr);
    interrupted = nullptr;
}

} // namespace poolkd::app
