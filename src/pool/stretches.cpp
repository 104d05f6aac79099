#include "pool/stretches.h"

#include "base/parallel.h"

#include <algorithm>

namespace poolkd::pool {

/// Bytes from `address` to the end of the large allocation that holds it, rounded up to a page; 0 when none does. A
/// distance and no address: a damaged entry may reach over the top of the address space.
std::uint64_t Stretches::rest_of_holder(VirtAddr address) const {
    auto after = std::ranges::upper_bound(big_, address, {}, &BigPage::address);
    if (after == big_.begin()) return 0;
    const BigPage& page = *std::prev(after);
    const std::uint64_t bytes = (page.bytes / page_size_ + (page.bytes % page_size_ != 0)) * page_size_;
    const std::uint64_t inside = address - page.address;
    return inside < bytes ? bytes - inside : 0;
}

std::optional<PageRun> Stretches::next() {
    for (; run_ < runs_.size(); ++run_, into_ = 0) {
        const PageRun& run = runs_[run_];
        while (into_ < run.bytes) {
            const VirtAddr at = run.first + into_;
            const std::uint64_t left = run.bytes - into_;
            if (const std::uint64_t held = std::min(rest_of_holder(at), left)) {
                big_bytes_ += held;
                into_ += held;
                continue;
            }
            std::uint64_t bytes = std::min(left, most_bytes_);
            // One behind `at` that holds nothing must not stop the walk.
            if (auto big = std::ranges::upper_bound(big_, at, {}, &BigPage::address); big != big_.end())
                bytes = std::min(bytes, big->address - at);
            into_ += bytes;
            return PageRun{at, bytes};
        }
    }
    return std::nullopt;
}

StretchReaders::StretchReaders(target::Target& target, std::size_t threads) : target_(target) {
    for (std::size_t i = 0; i < threads; ++i) {
        auto memory = target.memory_for_thread();
        if (!memory) return;
        own_.push_back(std::move(memory));
    }
}

void StretchReaders::run(std::span<const PageRun> stretches,
                         const std::function<void(std::size_t index, memory::AddressSpace& memory)>& read) {
    run_parallel(stretches.size(), threads(), [&](std::size_t index, std::size_t thread) {
        read(index, own_.empty() ? target_.memory() : *own_[thread]);
    });
}

} // namespace poolkd::pool
