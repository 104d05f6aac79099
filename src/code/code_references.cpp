#include "code/code_references.h"

#include <algorithm>

namespace poolkd::code {

namespace {

class ReferenceScan {
  public:
    ReferenceScan(const Machine& machine, std::uint64_t base, std::span<const Extent> code,
                  const ReferenceTargets& targets, CodeReferences& out)
        : wide_(machine.pointer_size == 8), base_(base), code_(code), targets_(targets), out_(out) {
        if (targets.slots.empty()) return;
        first_slot_ = targets.slots.front();
        slot_range_ = targets.slots.back() - first_slot_;
        if (!wide_) first_slot_ += static_cast<std::uint32_t>(base);
    }

    /// `bytes` lie at `rva`.
    void scan(Bytes bytes, std::uint32_t rva, const Work& work) {
        constexpr std::size_t at_once = 1u << 20;
        const std::size_t count = bytes.size() < field ? 0 : bytes.size() - field + 1;
        for (std::size_t at = 0; at < count && !work.stop_requested(); at += at_once)
            scan(bytes, rva, at, std::min(count, at + at_once));
    }

  private:
    static constexpr std::size_t field = 4; ///< bytes of a distance or an address

    /// The fields at [first, last) of the bytes.
    void scan(Bytes bytes, std::uint32_t rva, std::size_t first, std::size_t last) {
        const std::byte* data = bytes.data();
        const std::uint32_t after = wide_ ? rva + static_cast<std::uint32_t>(field) : 0;
        const bool any_slot = !targets_.slots.empty();
        for (std::size_t at = first; at < last; ++at) {
            std::uint32_t value;
            std::memcpy(&value, data + at, field);
            if (at > 0) {
                const std::byte opcode = data[at - 1];
                const auto place = static_cast<std::uint32_t>(at);
                if ((opcode & std::byte{0xfe}) == std::byte{0xe8}) {
                    branch(rva + place - 1, rva + place + field + value, static_cast<std::int32_t>(value));
                } else if ((opcode & std::byte{0xf0}) == std::byte{0x80} && at > 1 && data[at - 2] == std::byte{0x0f}) {
                    branch(rva + place - 2, rva + place + field + value, static_cast<std::int32_t>(value));
                }
            }
            // A distance from the next instruction on x64, an address on x86.
            const std::uint32_t reached = value + (wide_ ? after + static_cast<std::uint32_t>(at) : 0);
            if (any_slot && reached - first_slot_ <= slot_range_) slot(rva + static_cast<std::uint32_t>(at), reached);
        }
    }

    void branch(std::uint32_t from, std::uint64_t target_rva, std::int32_t distance) {
        const auto target = static_cast<std::uint32_t>(target_rva);
        if (is_code(target)) {
            keep(out_.branches, {target, from});
            return;
        }
        if (targets_.outside.empty()) return;
        // The distance is from the end of the instruction; `target` was cut to 32 bits.
        const std::uint32_t next = target - static_cast<std::uint32_t>(distance);
        std::uint64_t address = base_ + next + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
        if (!wide_) address = static_cast<std::uint32_t>(address);
        if (std::ranges::binary_search(targets_.outside, address)) keep(out_.outside, from);
    }

    void slot(std::uint32_t at, std::uint32_t reached) {
        const std::uint32_t rva = wide_ ? reached : reached - static_cast<std::uint32_t>(base_);
        if (std::ranges::binary_search(targets_.slots, rva)) keep(out_.slots, at);
    }

    bool is_code(std::uint32_t rva) {
        if (near_.contains(rva)) return true;
        auto found = std::ranges::find_if(code_, [&](const Extent& e) { return e.contains(rva); });
        if (found == code_.end()) return false;
        near_ = *found;
        return true;
    }

    template <class T>
    void keep(std::vector<T>& list, T one) {
        if (list.size() < CodeReferences::max_kept)
            list.push_back(one);
        else
            out_.cut = true;
    }

    bool wide_;
    std::uint64_t base_;
    std::span<const Extent> code_;
    const ReferenceTargets& targets_;
    CodeReferences& out_;
    std::uint32_t first_slot_ = 0, slot_range_ = 0;
    Extent near_; ///< of the code that was asked for last
};

} // namespace

std::span<const CodeReferences::Branch> CodeReferences::to(Extent range) const {
    auto first = std::ranges::lower_bound(branches, range.begin, {}, &Branch::target);
    auto last = std::ranges::lower_bound(first, branches.end(), range.end, {}, &Branch::target);
    return {first, last};
}

CodeReferences find_code_references(const FlatImage& image, const Machine& machine, std::uint64_t base,
                                    std::span<const Extent> code, const ReferenceTargets& targets, Work& work) {
    CodeReferences out;
    ReferenceScan scan(machine, base, code, targets, out);
    for (const Extent& extent : code) {
        // Missing pages part the code; what reaches over such a hole is lost.
        for (std::uint32_t rva = extent.begin; rva < extent.end && !work.stop_requested();) {
            const Bytes bytes = image.from(rva, extent.end - rva);
            scan.scan(bytes, rva, work);
            constexpr std::uint32_t page = 0x1000;
            const auto got = static_cast<std::uint32_t>(bytes.size());
            if (extent.end - rva - got < page) break;
            rva = got == 0 ? (rva / page + 1) * page : rva + got;
        }
    }
    std::ranges::sort(out.branches, {}, [](const CodeReferences::Branch& branch) {
        return std::uint64_t{branch.target} << 32 | branch.from; // one comparison instead of two
    });
    return out;
}

} // namespace poolkd::code
