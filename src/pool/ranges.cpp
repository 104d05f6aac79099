#include "pool/ranges.h"

#include "dumps/image.h"
#include "memory/page_walk.h"
#include "nt/software_entry.h"
#include "pool/system_regions.h"

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

std::optional<VirtAddr> pointer_variable(nt::Kernel& kernel, std::initializer_list<std::string_view> names) {
    for (std::string_view name : names)
        if (auto value = kernel.read_pointer_global(name); value && *value) return *value;
    return std::nullopt;
}

std::optional<std::uint64_t> size_variable(nt::Kernel& kernel, std::string_view name) {
    auto value = kernel.read_global(name);
    return value && *value != 0 ? std::optional(*value) : std::nullopt;
}

void add_range(std::vector<PoolRange>& ranges, PoolKind kind, std::optional<VirtAddr> first,
               std::optional<VirtAddr> last) {
    if (first && last && *first < *last) ranges.push_back({kind, *first, *last});
}

/// MmNonPagedPoolEnd is exclusive, MmPagedPoolEnd is the last byte (seen in images of ReactOS).
std::vector<PoolRange> ranges_by_variables(nt::Kernel& kernel) {
    std::vector<PoolRange> ranges;
    const auto start = pointer_variable(kernel, {"MmNonPagedPoolStart"});
    auto end = pointer_variable(kernel, {"MmNonPagedPoolEnd", "MiNonPagedPoolEnd"});
    if (end) end = *end - 1;
    const auto expansion = pointer_variable(kernel, {"MmNonPagedPoolExpansionStart"});
    const auto initial_bytes = size_variable(kernel, "MmSizeOfNonPagedPoolInBytes");
    if (start && expansion && initial_bytes && *start + *initial_bytes <= *expansion) {
        // Between the two parts lie images, page tables and paged pool.
        add_range(ranges, PoolKind::nonpaged, start, *start + (*initial_bytes - 1));
        add_range(ranges, PoolKind::nonpaged, expansion, end);
    } else {
        add_range(ranges, PoolKind::nonpaged, start, end);
    }
    auto paged_start = pointer_variable(kernel, {"MmPagedPoolStart", "MiPagedPoolStart"});
    const auto paged_end = pointer_variable(kernel, {"MmPagedPoolEnd"});
    // Where the start is a constant of the kernel's, its size and end tell it.
    if (const auto bytes = size_variable(kernel, "MmSizeOfPagedPoolInBytes"); !paged_start && paged_end && bytes)
        if (*bytes <= paged_end->value) paged_start = *paged_end - (*bytes - 1);
    add_range(ranges, PoolKind::paged, paged_start, paged_end);
    return ranges;
}

/// The debugger block holds the addresses of the variables.
std::vector<PoolRange> ranges_by_debugger_data(nt::Kernel& kernel) {
    const nt::Kdbg* block = kernel.kdbg();
    if (!block) return {};
    auto value = [&](nt::Kdbg::Field field) -> std::optional<VirtAddr> {
        const auto variable = block->value(field);
        auto value = variable ? kernel.read_pointer(*variable) : VirtAddr();
        return value && *value ? std::optional(*value) : std::nullopt;
    };
    std::vector<PoolRange> ranges;
    auto nonpaged_end = value(nt::Kdbg::nonpaged_pool_end);
    if (nonpaged_end) nonpaged_end = *nonpaged_end - 1;
    add_range(ranges, PoolKind::nonpaged, value(nt::Kdbg::nonpaged_pool_start), nonpaged_end);
    add_range(ranges, PoolKind::paged, value(nt::Kdbg::paged_pool_start), value(nt::Kdbg::paged_pool_end));
    return ranges;
}

} // namespace

Result<std::vector<PoolRange>> find_ranges(nt::Kernel& kernel, Work& work) {
    // From what tells most to what tells least; for each kind of pool, what one source says is not mixed with
    // another's.
    std::vector<PoolRange> ranges = ranges_by_variables(kernel);
    auto known = [&](PoolKind kind) { return std::ranges::find(ranges, kind, &PoolRange::kind) != ranges.end(); };
    auto add_unknown = [&](const std::vector<PoolRange>& more) {
        const bool nonpaged = known(PoolKind::nonpaged), paged = known(PoolKind::paged);
        for (const PoolRange& range : more)
            if (!(range.kind == PoolKind::paged ? paged : nonpaged)) ranges.push_back(range);
    };
    auto complete = [&] { return known(PoolKind::nonpaged) && known(PoolKind::paged); };
    if (!complete()) add_unknown(assigned_regions(kernel));
    if (!complete()) add_unknown(ranges_by_debugger_data(kernel));
    if (!complete()) add_unknown(typed_regions(kernel));
    for (PoolKind kind : {PoolKind::nonpaged, PoolKind::paged})
        if (!known(kind)) {
            add_unknown(spans_of_big_pages(kernel, kind, work));
            if (work.stop_requested()) return fail(ErrorKind::stopped, "The search for the pools was stopped");
        }
    if (ranges.empty())
        return fail(ErrorKind::not_found,
                    "Neither the kernel's symbols nor its debugger block tell where the pools lie");
    return ranges;
}

namespace {

/// How often the memory can hold something of so many bytes. Tables that run in circles give more.
std::uint64_t most_in_memory(nt::Kernel& kernel, std::uint64_t bytes) {
    constexpr std::uint64_t most = 1u << 28; // 1 TB in pages
    const dumps::MemoryImage* image = kernel.target().memory_image();
    return image ? std::min(most, image->coverage.present / bytes + 1) : most;
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
    // Each page of pool is a page of memory, and mapped once; and each entry lies in a table in memory.
    const std::uint64_t most_present = most_in_memory(kernel, page);
    const std::uint64_t most_visited = most_in_memory(kernel, walk.mode().entry_bytes);
    std::uint64_t present = 0, visited = 0;
    std::optional<VirtAddr> gave_up;
    answer.coverage = walk.for_each(range.first, range.last, work, [&](const memory::Mapping& mapping) {
        if (++visited > most_visited) {
            gave_up = mapping.address;
            return false;
        }
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
        if (present > most_present) gave_up = from;
        return !gave_up;
    });
    if (gave_up) answer.coverage.add_gap(GapReason::limit_reached, *gave_up, range.last - *gave_up + 1);
    return answer;
}

} // namespace poolkd::pool
