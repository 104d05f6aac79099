#include "dumps/mapping_guard.h"

#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace poolkd::dumps {

namespace {

// A signal handler may touch lock-free atomics only, so the mappings stand in a fixed table.
struct GuardedMapping {
    std::atomic<bool> taken{false};
    std::atomic<std::uintptr_t> start{0};
    std::atomic<std::uintptr_t> end{0}; ///< 0: not guarded
    std::atomic<bool> broken{false};
};
GuardedMapping guarded[MappingGuard::most_mappings];
struct sigaction action_before;

bool put_zeros_from(std::uintptr_t page, std::uintptr_t end) {
    // What lies behind is gone too when the file was cut; one call then serves a whole scan.
    return mmap(reinterpret_cast<void*>(page), end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           MAP_FAILED;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    for (GuardedMapping& mapping : guarded) {
        const std::uintptr_t end = mapping.end.load();
        if (address < mapping.start.load() || address >= end) continue;
        mapping.broken.store(true);
        if (put_zeros_from(address & ~std::uintptr_t{4095}, end)) return;
    }
    // Not ours: as if we were not here.
    if ((action_before.sa_flags & SA_SIGINFO) && action_before.sa_sigaction) {
        action_before.sa_sigaction(signal, info, context);
    } else if (action_before.sa_handler != SIG_DFL && action_before.sa_handler != SIG_IGN) {
        action_before.sa_handler(signal);
    } else {
        ::signal(signal, SIG_DFL); // the instruction runs again, and now it ends the program
    }
}

void install_handler() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_sigaction = on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, &action_before);
    });
}

} // namespace

MappingGuard::MappingGuard(Bytes mapping) {
    install_handler();
    for (std::size_t i = 0; i < most_mappings; ++i) {
        bool free = false;
        if (!guarded[i].taken.compare_exchange_strong(free, true)) continue;
        const auto start = reinterpret_cast<std::uintptr_t>(mapping.data());
        guarded[i].broken = false;
        guarded[i].start = start;
        guarded[i].end = start + mapping.size();
        slot_ = i;
        return;
    }
}

MappingGuard::~MappingGuard() {
    if (!guards()) return;
    guarded[slot_].end = 0;
    guarded[slot_].start = 0;
    guarded[slot_].taken = false;
}

bool MappingGuard::intact() const {
    return guards() && !guarded[slot_].broken.load();
}

} // namespace poolkd::dumps
