#include "memory/page_walk.h"

#include "base/text.h"

#include <algorithm>

namespace poolkd::memory {

namespace {

constexpr std::uint64_t cr4_pae = 1u << 5, cr4_five_levels = 1u << 12;

constexpr PagingMode x86_mode{.name = "x86",
                              .levels = 2,
                              .entry_bytes = 4,
                              .index_bits = 10,
                              .address_bits = 32,
                              .large_level = 2,
                              .root_mask = 0xfffff000,
                              .frame_mask = 0xfffff000};
constexpr PagingMode pae_mode{.name = "x86 with PAE",
                              .levels = 3,
                              .entry_bytes = 8,
                              .index_bits = 9,
                              .address_bits = 32,
                              .large_level = 2,
                              .root_mask = 0xffffffe0,
                              .frame_mask = 0x000ffffffffff000};
constexpr PagingMode x64_mode{.name = "x64",
                              .levels = 4,
                              .entry_bytes = 8,
                              .index_bits = 9,
                              .address_bits = 48,
                              .large_level = 3,
                              .root_mask = 0x000ffffffffff000,
                              .frame_mask = 0x000ffffffffff000};
constexpr PagingMode x64_five_level_mode{.name = "x64 with five levels",
                                         .levels = 5,
                                         .entry_bytes = 8,
                                         .index_bits = 9,
                                         .address_bits = 57,
                                         .large_level = 3,
                                         .root_mask = 0x000ffffffffff000,
                                         .frame_mask = 0x000ffffffffff000};

std::uint64_t sign_extend(std::uint64_t address, unsigned bits) {
    const std::uint64_t above = ~std::uint64_t{0} << bits;
    return (address >> (bits - 1) & 1) != 0 ? address | above : address & ~above;
}

} // namespace

std::size_t PagingMode::entries(unsigned level) const {
    const unsigned bits = level == levels ? address_bits - shift(level) : index_bits;
    return std::size_t{1} << bits;
}

PhysAddr PagingMode::page(std::uint64_t entry, unsigned level) const {
    const std::uint64_t offset_mask = (std::uint64_t{1} << shift(level)) - 1;
    std::uint64_t address = entry & frame_mask & ~offset_mask;
    // A 4 MiB page of x86 keeps bits 32 to 39 of its address in bits 13 to 20 (PSE-36).
    if (entry_bytes == 4 && level == 2) address |= (entry >> 13 & 0xff) << 32;
    return PhysAddr(address);
}

const PagingMode& paging_mode(const Machine& machine, std::uint64_t cr4) {
    if (machine.pointer_size == 4) return (cr4 & cr4_pae) != 0 ? pae_mode : x86_mode;
    return (cr4 & cr4_five_levels) != 0 ? x64_five_level_mode : x64_mode;
}

const PageWalk::Table* PageWalk::table(std::uint64_t frame, unsigned level) {
    // The root of PAE is shorter than a table, and may be the start of one. Frames have their lowest five bits clear.
    const std::uint64_t key = frame | level;
    if (auto known = tables_.find(key); known != tables_.end()) return &known->second;
    Table fresh;
    if (!read_table(frame, level, fresh)) return nullptr;
    return &tables_.emplace(key, std::move(fresh)).first->second;
}

bool PageWalk::read_table(std::uint64_t frame, unsigned level, Table& out) {
    out.resize(mode_.entries(level));
    const MutableBytes bytes = std::as_writable_bytes(std::span(out)).first(out.size() * mode_.entry_bytes);
    if (physical_.read(PhysAddr(frame), bytes).bytes != bytes.size()) return false;
    if (mode_.entry_bytes == sizeof(std::uint64_t)) return true;
    for (std::size_t i = out.size(); i-- > 0;) // from the end: the wide ones overwrite the narrow ones
        out[i] = load_unsigned(bytes, i * mode_.entry_bytes, mode_.entry_bytes).value_or(0);
    return true;
}

std::vector<WalkStep> PageWalk::steps(VirtAddr address) {
    std::vector<WalkStep> steps;
    std::uint64_t frame = root_;
    for (unsigned level = mode_.levels; level >= 1; --level) {
        const Table* here = table(frame, level);
        if (!here) break;
        const std::size_t index = mode_.index(address, level);
        const std::uint64_t entry = (*here)[index];
        const bool valid = PagingMode::is_valid(entry);
        const bool leaf = valid && mode_.is_leaf(entry, level);
        steps.push_back({level, PhysAddr(frame + index * mode_.entry_bytes), entry, valid, leaf});
        if (!valid || leaf) break;
        frame = entry & mode_.frame_mask;
    }
    return steps;
}

Result<PhysAddr> PageWalk::translate(VirtAddr address) {
    const std::vector<WalkStep> walked = steps(address);
    if (!walked.empty() && walked.back().leaf) {
        const WalkStep& last = walked.back();
        return mode_.within(last.entry, last.level, address);
    }
    const bool absent = !walked.empty() && !walked.back().valid;
    return fail_at(address, ErrorKind::unreadable,
                   fmt::format("{} is not mapped ({})", format_address(address.value, mode_.address_bits > 32 ? 8 : 4),
                               absent ? "not present" : "a page table cannot be read"));
}

std::optional<VirtAddr> PageWalk::self_map() {
    const Table* root = table(root_, mode_.levels);
    if (!root) return std::nullopt;
    const unsigned shift = mode_.shift(mode_.levels);
    for (std::size_t i = 0; i < root->size(); ++i) {
        const std::uint64_t entry = (*root)[i];
        if (!PagingMode::is_valid(entry)) continue;
        if ((entry & mode_.frame_mask) == (root_ & mode_.frame_mask))
            return VirtAddr(sign_extend(i << shift, mode_.address_bits));
        if (mode_.levels != 3) continue;
        // The root of PAE is too short to be a page: the directories stand in one of them, one behind the other.
        const Table* directory = table(entry & mode_.frame_mask, 2);
        if (directory && PagingMode::is_valid((*directory)[i]) &&
            ((*directory)[i] & mode_.frame_mask) == (entry & mode_.frame_mask))
            return VirtAddr(sign_extend(i << shift, mode_.address_bits));
    }
    return std::nullopt;
}

Coverage PageWalk::for_each(VirtAddr start, VirtAddr last, Work& work,
                            const std::function<bool(const Mapping&)>& visit) {
    Coverage coverage;
    if (start <= last) walk(root_, mode_.levels, 0, start.value, last.value, work, visit, coverage);
    return coverage;
}

bool PageWalk::walk(std::uint64_t frame, unsigned level, std::uint64_t base, std::uint64_t start, std::uint64_t last,
                    Work& work, const std::function<bool(const Mapping&)>& visit, Coverage& coverage) {
    const unsigned shift = mode_.shift(level);
    const std::uint64_t span = std::uint64_t{1} << shift;
    // Of the lowest level there is one for every 2 MiB: these are not kept.
    const Table* here = level > 1 ? table(frame, level) : read_table(frame, level, leaf_) ? &leaf_ : nullptr;
    if (!here) {
        coverage.add_gap(GapReason::unmapped, VirtAddr(std::max(base, start)),
                         std::min(last - start + 1, span * mode_.entries(level)));
        return true;
    }
    for (std::size_t i = 0; i < here->size(); ++i) {
        const std::uint64_t from =
            level == mode_.levels ? sign_extend(i << shift, mode_.address_bits) : base + (i << shift);
        if (from + (span - 1) < start || from > last) continue;
        if (work.stop_requested()) {
            coverage.add_gap(GapReason::stopped, VirtAddr(std::max(from, start)), last - std::max(from, start) + 1);
            return false;
        }
        const std::uint64_t entry = (*here)[i];
        if (entry == 0) continue;
        const bool valid = PagingMode::is_valid(entry);
        const bool leaf = level == 1 || (valid && mode_.is_leaf(entry, level));
        if (leaf) {
            if (!visit({VirtAddr(from), span, entry, mode_.page(entry, level), valid})) return false;
        } else if (valid) {
            if (!walk(entry & mode_.frame_mask, level - 1, from, start, last, work, visit, coverage)) return false;
        }
    }
    return true;
}

} // namespace poolkd::memory
