#include "nt/list_walk.h"

#include <unordered_set>

namespace poolkd::nt {

namespace {

constexpr std::uint64_t first_system_address = 0x8000'0000'0000'0000; // of x86, too: its addresses are sign-extended

class ListWalker {
  public:
    ListWalker(Kernel& kernel, VirtAddr head, std::size_t limit, Work& work, const std::function<void(VirtAddr)>& visit)
        : kernel_(kernel), head_(head), limit_(limit), work_(work), visit_(visit) {}

    Coverage run() {
        if (!follow(0) && !ended_) {
            // What lies behind the break; a second break adds nothing to the first.
            first_break_ = false;
            (void)follow(kernel_.machine().pointer_size);
        }
        return std::move(coverage_);
    }

  private:
    /// By the link at `link_offset` of each entry. True when the ring closed.
    bool follow(unsigned link_offset) {
        VirtAddr here = head_;
        for (;;) {
            const auto next = kernel_.read_pointer(here + link_offset);
            if (!next)
                return broken(next.error().kind == ErrorKind::link ? GapReason::link_lost : GapReason::unmapped, here);
            coverage_.add_read(kernel_.machine().pointer_size);
            if (*next == head_) return true;
            if (next->value < first_system_address) return broken(GapReason::malformed, here);
            if (seen_.contains(next->value)) return first_break_ ? broken(GapReason::malformed, here) : true;
            if (work_.stop_requested()) return end(GapReason::stopped, *next);
            if (seen_.size() == limit_) return end(GapReason::limit_reached, *next);
            here = *next;
            seen_.insert(here.value);
            visit_(here);
        }
    }

    bool broken(GapReason reason, VirtAddr where) {
        if (first_break_) coverage_.add_gap(reason, where, kernel_.machine().pointer_size);
        ended_ |= reason == GapReason::link_lost;
        return false;
    }
    bool end(GapReason reason, VirtAddr where) {
        coverage_.add_gap(reason, where, 0);
        ended_ = true;
        return false;
    }

    Kernel& kernel_;
    VirtAddr head_;
    std::size_t limit_;
    Work& work_;
    const std::function<void(VirtAddr)>& visit_;
    Coverage coverage_;
    std::unordered_set<std::uint64_t> seen_;
    bool first_break_ = true;
    bool ended_ = false;
};

} // namespace

Coverage walk_list(Kernel& kernel, VirtAddr head, std::size_t limit, Work& work,
                   const std::function<void(VirtAddr)>& visit) {
    return ListWalker(kernel, head, limit, work, visit).run();
}

} // namespace poolkd::nt
