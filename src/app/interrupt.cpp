#include "app/interrupt.h"

#include <atomic>
#include <csignal>
#include <iterator>
#include <span>

namespace poolkd::app {

namespace {

std::atomic<Work*> interrupted{nullptr};
static_assert(std::atomic<Work*>::is_always_lock_free, "a signal handler may not wait");

void on_interrupt(int) {
    if (Work* work = interrupted.load(std::memory_order_relaxed)) work->request_stop();
}

constexpr int handled[] = {SIGINT, SIGTERM, SIGHUP};

std::span<const int> numbers(InterruptHandler::Signals signals) {
    return std::span(handled).first(signals == InterruptHandler::Signals::ctrl_c ? 1 : std::size(handled));
}

void install(InterruptHandler::Signals signals, void (*handler)(int), int flags) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = flags;
    for (int number : numbers(signals))
        sigaction(number, &action, nullptr);
}

} // namespace

InterruptHandler::InterruptHandler(Work& work, Signals signals) : signals_(signals) {
    interrupted = &work;
    install(signals_, on_interrupt, SA_RESTART);
}

InterruptHandler::~InterruptHandler() {
    install(signals_, SIG_DFL, 0);
    interrupted = nullptr;
}

} // namespace poolkd::app
