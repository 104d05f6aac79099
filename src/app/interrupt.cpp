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

/// Each Ctrl-C stops what is under way: the first may have been used up by what it cut off.
void on_leaving(int) {
    if (Work* work = interrupted.load(std::memory_order_relaxed)) {
        work->request_end();
        work->request_stop();
    }
}

struct sigaction calling(void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    return action;
}

} // namespace

InterruptHandler::InterruptHandler(Work& work, Signals signals)
    : count_(signals == Signals::ctrl_c ? 1 : std::size(handled_)) {
    interrupted = &work;
    for (auto& [number, before] : std::span(handled_).first(count_)) {
        const struct sigaction action = calling(number == SIGINT ? on_interrupt : on_ending);
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

void InterruptHandler::ctrl_c_ends(bool ends) {
    const struct sigaction action = calling(ends ? on_leaving : on_interrupt);
    sigaction(SIGINT, &action, nullptr);
}

} // namespace poolkd::app
