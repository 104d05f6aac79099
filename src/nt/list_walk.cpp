#include "nt/list_walk.h"

#include <unordered_set>

namespace poolkd::nt {

namespace {

class ListWalker {
  public:
    ListWalker(memory::AddressSpace& memory, const Machine& machine, VirtAddr head, std::size_t limit, Work& work,
               const std::function<void(VirtAddr)>& visit)
        : memory_(memory), machine_(machine), head_(head), limit_(limit), work_(work), visit_(visit) {}

    Coverage run() {
        if (!follow(0) && !ended_) {
            // What lies behind the break; a second break adds nothing to the first.
            first_break_ = false;
            (void)follow(machine_.pointer_size);
        }
        return std::move(coverage_);
    }

  private:
    /// By the link at `link_offset` of each entry. True when the ring closed.
    bool follow(unsigned link_offset) {
        VirtAddr here = head_;
        for (;;) {
            const auto link = memory::read_unsigned(memory_, here + link_offset, machine_.pointer_size);
            if (!link)
                return broken(link.error().kind == ErrorKind::link ? GapReason::link_lost : GapReason::unmapped, here);
            const VirtAddr next = machine_.canonical(*link);
            coverage_.add_read(machine_.pointer_size);
            if (next == head_) return true;
            if (next < first_system_address) return broken(GapReason::malformed, here);
            if (seen_.contains(next.value)) return first_break_ ? broken(GapReason::malformed, here) : true;
            if (work_.stop_requested()) return end(GapReason::stopped, next);
            if (seen_.size() == limit_) return end(GapReason::limit_reached, next);
            here = next;
            seen_.insert(here.value);
            visit_(here);
        }
    }

    bool broken(GapReason reason, VirtAddr where) {
        if (first_break_) coverage_.add_gap(reason, where, machine_.pointer_size);
        ended_ |= reason == GapReason::link_lost;
        return false;
    }
    bool end(GapReason reason, VirtAddr where) {
        coverage_.add_gap(reason, where, 0);
        ended_ = true;
        return false;
    }

    memory::AddressSpace& memory_;
    const Machine& machine_;
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

Coverage walk_list(memory::AddressSpace& memory, const Machine& machine, VirtAddr head, std::size_t limit, Work& work,
                   const std::function<void(VirtAddr)>& visit) {
    return ListWalker(memory, machine, head, limit, work, visit).run();
}

} // namespace poolkd::nt
