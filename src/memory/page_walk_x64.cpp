#include "memory/page_walk_x64.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::memory {

namespace {

constexpr std::uint64_t present = 1;
constexpr std::uint64_t large = 0x80;
constexpr unsigned top_level = 4; // PML4
constexpr unsigned shift_of(unsigned level) {
    return 12 + 9 * (level - 1);
}

constexpr std::uint64_t sign_extend(std::uint64_t address) {
    return (address & (1ull << 47)) ? address | 0xffff000000000000 : address & 0x0000ffffffffffff;
}

} // namespace

const PageWalkX64::Table* PageWalkX64::table(std::uint64_t frame) {
    if (auto known = tables_.find(frame); known != tables_.end()) return known->second.get();
    auto fresh = std::make_unique<Table>();
    auto bytes = MutableBytes(reinterpret_cast<std::byte*>(fresh->data()), sizeof(Table));
    if (physical_.read(PhysAddr(frame), bytes).bytes != bytes.size()) return nullptr;
    return tables_.emplace(frame, std::move(fresh)).first->second.get();
}

Result<PhysAddr> PageWalkX64::translate(VirtAddr address) {
    auto bad = [&](std::string_view why) {
        return fail_at(address, ErrorKind::unreadable,
                       fmt::format("{} is not mapped ({})", format_address(address.value), why));
    };
    std::uint64_t frame = root_;
    for (unsigned level = top_level; level >= 1; --level) {
        const Table* entries_here = table(frame);
        if (!entries_here) return bad("a page table cannot be read");
        std::uint64_t entry = (*entries_here)[(address.value >> shift_of(level)) & (entries - 1)];
        if (!(entry & present)) return bad("not present");
        std::uint64_t offset_mask = (1ull << shift_of(level)) - 1;
        if (level == 1 || (level <= 3 && (entry & large)))
            return PhysAddr((entry & frame_mask & ~offset_mask) | (address.value & offset_mask));
        frame = entry & frame_mask;
    }
    return bad("no such level");
}

Coverage PageWalkX64::for_each(VirtAddr start, VirtAddr last, Work& work,
                               const std::function<bool(const Mapping&)>& visit) {
    Coverage coverage;
    if (start <= last) walk(root_, top_level, 0, start.value, last.value, work, visit, coverage);
    return coverage;
}

bool PageWalkX64::walk(std::uint64_t frame, unsigned level, std::uint64_t base, std::uint64_t start, std::uint64_t last,
                       Work& work, const std::function<bool(const Mapping&)>& visit, Coverage& coverage) {
    const unsigned shift = shift_of(level);
    const std::uint64_t span = 1ull << shift;
    const Table* here = table(frame);
    if (!here) {
        coverage.add_gap(GapReason::unmapped, VirtAddr(std::max(base, start)),
                         std::min(last - start + 1, span * entries));
        return true;
    }
    for (std::size_t i = 0; i < entries; ++i) {
        const std::uint64_t from = level == top_level ? sign_extend(i << shift) : base + (i << shift);
        if (from + (span - 1) < start || from > last) continue;
        if (work.stop_requested()) {
            coverage.add_gap(GapReason::stopped, VirtAddr(std::max(from, start)), last - std::max(from, start) + 1);
            return false;
        }
        const std::uint64_t entry = (*here)[i];
        if (entry == 0) continue;
        const bool valid = (entry & present) != 0;
        const bool leaf = level == 1 || (valid && level <= 3 && (entry & large));
        if (leaf) {
            if (!visit({VirtAddr(from), span, entry, PhysAddr(entry & frame_mask & ~(span - 1)), valid})) return false;
        } else if (valid) {
            if (!walk(entry & frame_mask, level - 1, from, start, last, work, visit, coverage)) return false;
        }
    }
    return true;
}

} // namespace poolkd::memory
