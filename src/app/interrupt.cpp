#include "app/interrupt.h"

#include <atomic>
#include <csignal>

namespace poolkd::app {

namespace {

std::atomic<Work*> interrupted{nullptr};
static_assert(std::atomic<Work*>::is_always_lock_free, "a signal handler may not wait");

void on_interrupt(int) {
    if (Work* work = interrupted.load(std::memory_order_relaxed)) work->request_stop();
}

} // namespace

InterruptHandler::InterruptHandler(Work& work) {
    interrupted = &work;
    struct sigaction action{};
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, nullptr);
}

InterruptHandler::~InterruptHandler() {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    sigaction(SIGINT, &action, nullptr);
    interrupted = nullptr;
}

} // namespace poolkd::app
