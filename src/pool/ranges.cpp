#include "pool/ranges.h"

#include "memory/page_walk.h"
#include "nt/software_entry.h"
#include "target/dump_target.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

/// A software entry (_MMPTE_SOFTWARE, _MMPTE_TRANSITION) that stands for no data: neither in transition (bit 11) nor a
/// prototype (bit 10), and with no offset in a page file (PageFileHigh: the upper half of 8 bytes, 20 bits of 4).
bool is_demand_zero(const memory::PagingMode& mode, std::uint64_t entry) {
    constexpr std::uint64_t prototype = 1u << 10, transition = 1u << 11;
    const unsigned page_file_shift = mode.entry_bytes == 8 ? 32 : 12;
    return (entry & (prototype | transition)) == 0 && (entry >> page_file_shift) == 0;
}

/// A pointer variable by name, else through the KDBG field that holds the variable's address.
std::optional<VirtAddr> pointer_variable(nt::Kernel& kernel, std::initializer_list<std::string_view> names,
                                         nt::Kdbg::Field field) {
    for (std::string_view name : names)
        if (auto value = kernel.read_pointer_global(name); value && *value) return *value;
    if (const nt::Kdbg* block = kernel.kdbg())
        if (auto variable = block->value(field))
            if (auto value = kernel.read_pointer(*variable); value && *value) return *value;
    return std::nullopt;
}

} // namespace

Result<std::vector<PoolRange>> find_ranges(nt::Kernel& kernel) {
    std::vector<PoolRange> ranges;
    auto add = [&](PoolKind kind, std::optional<VirtAddr> first, std::optional<VirtAddr> last) {
        if (first && last && *first < *last) ranges.push_back({kind, *first, *last});
    };
    // MmNonPagedPoolEnd is exclusive, MmPagedPoolEnd is the last byte (pool.md 8.1).
    auto nonpaged_end =
        pointer_variable(kernel, {"MmNonPagedPoolEnd", "MiNonPagedPoolEnd"}, nt::Kdbg::nonpaged_pool_end);
    if (nonpaged_end) nonpaged_end = *nonpaged_end - 1;
    add(PoolKind::nonpaged, pointer_variable(kernel, {"MmNonPagedPoolStart"}, nt::Kdbg::nonpaged_pool_start),
        nonpaged_end);
    add(PoolKind::paged, pointer_variable(kernel, {"MmPagedPoolStart", "MiPagedPoolStart"}, nt::Kdbg::paged_pool_start),
        pointer_variable(kernel, {"MmPagedPoolEnd"}, nt::Kdbg::paged_pool_end));
    if (ranges.empty())
        return fail(ErrorKind::not_found,
                    "Neither the kernel's symbols nor its debugger block tell where the pools lie");
    return ranges;
}

namespace {

/// Each page of pool is a page of memory, and mapped once: tables that run in circles map more than there is.
std::uint64_t most_present_pages(nt::Kernel& kernel) {
    constexpr std::uint64_t most = 1u << 28; // 1 TB
    const auto* image = dynamic_cast<const target::DumpTarget*>(&kernel.target());
    return image ? std::min(most, image->image().coverage.present / kernel.machine().page_size + 1) : most;
}

} // namespace

Result<Answer<PresentPages>> find_present_pages(nt::Kernel& kernel, const PoolRange& range, Work& work) {
    POOLKD_TRY(const target::PageTables tables, kernel.target().page_tables(0));
    const Machine& machine = kernel.machine();
    memory::PageWalk walk(kernel.target().physical(), memory::paging_mode(machine, tables.cr4), tables.cr3);
    Answer<PresentPages> answer;
    const std::uint32_t page = machine.page_size;
    // An image still has what is in transition; the kernel's debugger does not go there.
    const bool is_image = !kernel.target().run_control();
    auto in_transition = [&](const memory::Mapping& mapping) {
        return is_image && nt::transition_page(walk.mode(), mapping.entry) &&
               memory::read_unsigned(kernel.memory(), mapping.address, 1);
    };
    const std::uint64_t most = most_present_pages(kernel);
    std::uint64_t present = 0;
    std::optional<VirtAddr> gave_up;
    answer.coverage = walk.for_each(range.first, range.last, work, [&](const memory::Mapping& mapping) {
        if (!mapping.valid && !in_transition(mapping)) {
            (is_demand_zero(walk.mode(), mapping.entry) ? answer.value.empty_pages : answer.value.absent_pages) +=
                mapping.size / page;
            return true;
        }
        // A large page at the edge reaches over the range.
        VirtAddr from = std::max(mapping.address, range.first);
        std::uint64_t bytes = std::min(mapping.address + mapping.size - 1, range.last) - from + 1;
        auto& runs = answer.value.runs;
        if (!runs.empty() && runs.back().first + runs.back().bytes == from) {
            runs.back().bytes += bytes;
        } else {
            runs.push_back({from, bytes});
        }
        present += bytes / page;
        if (present > most) gave_up = from;
        return !gave_up;
    });
    if (gave_up) answer.coverage.add_gap(GapReason::limit_reached, *gave_up, range.last - *gave_up + 1);
    return answer;
}

} // namespace poolkd::pool
