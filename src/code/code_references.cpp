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
            find(bytes, rva, at, std::min(count, at + at_once));
    }

  private:
    static constexpr std::size_t field = 4; ///< bytes of a distance or an address

    void find(Bytes bytes, std::uint32_t rva, std::size_t first, std::size_t last) {
        find_branches(bytes, rva, first, last);
        if (!targets_.slots.empty()) find_slots(bytes, rva, first, last);
    }

    /// Those of calls and jumps at [first, last) of the bytes.
    void find_branches(Bytes bytes, std::uint32_t rva, std::size_t first, std::size_t last) {
        const std::byte* data = bytes.data();
        std::byte before = first > 1 ? data[first - 2] : std::byte{};
        for (std::size_t at = std::max<std::size_t>(first, 1); at < last; ++at) {
            const std::byte opcode = data[at - 1];
            const bool conditional = before == std::byte{0x0f} && (opcode & std::byte{0xf0}) == std::byte{0x80};
            before = opcode;
            if (!conditional && (opcode & std::byte{0xfe}) != std::byte{0xe8}) continue;
            const auto distance = field_at(data + at);
            const std::uint32_t place = rva + static_cast<std::uint32_t>(at);
            branch(place - (conditional ? 2 : 1), place + static_cast<std::uint32_t>(field) + distance, distance);
        }
    }

    /// Those that lead to slots, at [first, last) of the bytes.
    void find_slots(Bytes bytes, std::uint32_t rva, std::size_t first, std::size_t last) {
        const std::byte* data = bytes.data();
        // A distance from the next instruction on x64, an address on x86.
        const std::uint32_t moves = wide_ ? 1 : 0,
                            from = first_slot_ - moves * (rva + static_cast<std::uint32_t>(field));
        const std::uint32_t range = slot_range_;
        auto beyond_first = [&](std::size_t at) {
            return field_at(data + at) + moves * static_cast<std::uint32_t>(at) - from;
        };
        // Most blocks have none; the compiler makes this a few instructions for many fields.
        constexpr std::size_t block = 64;
        for (; first + block <= last; first += block) {
            bool any = false;
            for (std::size_t phase = 0; phase < field; ++phase)
                for (std::size_t at = first + phase; at < first + phase + block; at += field)
                    any |= beyond_first(at) <= range;
            if (any) check_slots(rva, first, first + block, beyond_first);
        }
        check_slots(rva, first, last, beyond_first);
    }

    template <class BeyondFirst>
    void check_slots(std::uint32_t rva, std::size_t first, std::size_t last, const BeyondFirst& beyond_first) {
        for (std::size_t at = first; at < last; ++at)
            if (const std::uint32_t beyond = beyond_first(at); beyond <= slot_range_)
                slot(rva + static_cast<std::uint32_t>(at), first_slot_ + beyond);
    }

    static std::uint32_t field_at(const std::byte* place) {
        std::uint32_t value;
        std::memcpy(&value, place, field);
        return value;
    }

    void branch(std::uint32_t from, std::uint32_t target, std::uint32_t distance) {
        if (is_code(target)) {
            keep(out_.branches, {target, from});
            return;
        }
        if (targets_.outside.empty()) return;
        // The distance is from the end of the instruction; `target` was cut to 32 bits.
        const std::uint32_t next = target - distance;
        const std::int64_t by = static_cast<std::int32_t>(distance);
        std::uint64_t address = base_ + next + static_cast<std::uint64_t>(by);
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
