#include "pool/system_regions.h"

#include "memory/page_walk.h"
#include "pool/big_pages.h"

#include <algorithm>
#include <optional>
#include <string>

namespace poolkd::pool {

namespace {

constexpr std::uint64_t top_span = 1ull << 39; ///< of one entry at the top of x64's page tables
constexpr VirtAddr first_of_x64{0xffff800000000000};

/// The value of an enumerator of the kernel's symbols: these differ between versions.
std::optional<std::uint64_t> enumerator(nt::Kernel& kernel, std::string_view type_name, std::string_view name) {
    nt::Modules& modules = kernel.modules();
    symbols::ModuleSymbols* symbols = modules.symbols(modules.kernel());
    if (!symbols) return std::nullopt;
    auto type = symbols->type(type_name);
    if (!type) return std::nullopt;
    const auto& all = (*type)->enumerators;
    auto found = std::ranges::find(all, name, &symbols::Enumerator::name);
    return found == all.end() ? std::nullopt : std::optional(found->value);
}

/// A member of the part of the memory manager's state that holds the address space.
std::optional<VirtAddr> in_visible_state(nt::Kernel& kernel, std::string_view member) {
    auto state = kernel.address_of("MiState");
    auto whole = kernel.layout("_MI_SYSTEM_INFORMATION");
    auto visible = kernel.layout("_MI_VISIBLE_STATE");
    if (!state || !whole || !visible) return std::nullopt;
    auto part = (*whole)->offset("Vs");
    auto offset = (*visible)->offset(member);
    return part && offset ? std::optional(*state + *part + *offset) : std::nullopt;
}

std::optional<PoolRange> assigned_region(nt::Kernel& kernel, PoolKind kind, std::string_view name) {
    auto regions = in_visible_state(kernel, "SystemVaRegions");
    auto index = enumerator(kernel, "_MI_ASSIGNED_REGION_TYPES", name);
    auto layout = kernel.layout("_MI_SYSTEM_VA_ASSIGNMENT");
    if (!regions || !index || !layout) return std::nullopt;
    const VirtAddr record = *regions + *index * (*layout)->size();
    auto base = kernel.read_field("_MI_SYSTEM_VA_ASSIGNMENT", record, "BaseAddress");
    auto bytes = kernel.read_field("_MI_SYSTEM_VA_ASSIGNMENT", record, "NumberOfBytes");
    if (!base || !bytes || *base == 0 || *bytes == 0) return std::nullopt;
    const VirtAddr first = kernel.machine().canonical(*base);
    if (*bytes - 1 > ~first.value) return std::nullopt; // over the top of the address space
    return PoolRange{kind, first, first + (*bytes - 1)};
}

/// Adjacent spans as one.
void add_span(std::vector<PoolRange>& ranges, PoolKind kind, VirtAddr first, std::uint64_t bytes) {
    const VirtAddr last = first + (bytes - 1);
    if (!ranges.empty() && ranges.back().kind == kind && ranges.back().last + 1 == first) {
        ranges.back().last = last;
    } else {
        ranges.push_back({kind, first, last});
    }
}

} // namespace

std::vector<PoolRange> assigned_regions(nt::Kernel& kernel) {
    std::vector<PoolRange> ranges;
    if (auto region = assigned_region(kernel, PoolKind::nonpaged, "AssignedRegionNonPagedPool"))
        ranges.push_back(*region);
    if (auto region = assigned_region(kernel, PoolKind::paged, "AssignedRegionPagedPool")) ranges.push_back(*region);
    return ranges;
}

std::vector<PoolRange> typed_regions(nt::Kernel& kernel) {
    const Machine& machine = kernel.machine();
    VirtAddr first = first_of_x64;
    std::uint64_t span = top_span, count = 256;
    std::optional<VirtAddr> types = in_visible_state(kernel, "SystemVaType");
    if (machine.pointer_size == 4) {
        auto tables = kernel.target().page_tables(0);
        if (!tables) return {};
        span = memory::paging_mode(machine, tables->cr4).entry_bytes == 8 ? 2u << 20 : 4u << 20;
        first = kernel.read_pointer_global("MmSystemRangeStart").value_or(VirtAddr());
        if (!first) first = machine.canonical(0x80000000);
        count = (0x100000000 - (first.value & 0xffffffff)) / span;
        if (auto array = kernel.address_of("MiSystemVaType")) types = *array;
    }
    const auto nonpaged = enumerator(kernel, "_MI_SYSTEM_VA_TYPE", "MiVaNonPagedPool");
    const auto paged = enumerator(kernel, "_MI_SYSTEM_VA_TYPE", "MiVaPagedPool");
    if (!types || !nonpaged || !paged) return {};
    auto bytes = memory::read_exact(kernel.memory(), *types, count);
    if (!bytes) return {};
    std::vector<PoolRange> ranges;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto type = load_or<std::uint8_t>(*bytes, i);
        if (type == *nonpaged) add_span(ranges, PoolKind::nonpaged, first + i * span, span);
        if (type == *paged) add_span(ranges, PoolKind::paged, first + i * span, span);
    }
    return ranges;
}

std::vector<PoolRange> spans_of_big_pages(nt::Kernel& kernel, PoolKind kind, Work& work) {
    if (kernel.machine().pointer_size != 8) return {};
    // Without a type in the entries it is the ranges that tell their kind.
    auto layout = kernel.layout("_POOL_TRACKER_BIG_PAGES");
    if (!layout || !(*layout)->has("PoolType")) return {};
    auto table = read_big_pages(kernel, work);
    if (!table) return {};
    std::vector<PoolRange> ranges;
    for (const BigPage& page : table->value.live) {
        if (page.paged != (kind == PoolKind::paged) || page.address < first_of_x64) continue;
        const VirtAddr first(page.address.value & ~(top_span - 1));
        if (ranges.empty() || ranges.back().last < first) add_span(ranges, kind, first, top_span);
    }
    return ranges;
}

} // namespace poolkd::pool
