#include "code/pool_routines.h"

#include <algorithm>
#include <array>

namespace poolkd::code {

namespace {

constexpr std::optional<PoolTag> own(const char (&text)[5]) {
    return PoolTag(static_cast<std::uint32_t>(text[0]) | static_cast<std::uint32_t>(text[1]) << 8 |
                   static_cast<std::uint32_t>(text[2]) << 16 | static_cast<std::uint32_t>(text[3]) << 24);
}

constexpr auto allocation = SiteKind::allocation;
constexpr auto release = SiteKind::release;
constexpr auto lookaside = SiteKind::lookaside;
using Type = PoolRoutine::Type;

/// Prototypes: public headers of the driver kit. The tags that routines have by themselves: the table pooltag.txt
/// and Microsoft's documentation. By name.
constexpr PoolRoutine table[] = {
    // name, kind, words on the stack of x86, numbers of tag, size and type
    {"EngAllocMem", allocation, 3, 3, 2, 0, Type::paged},
    {"ExAllocatePool", allocation, 2, 0, 2, 1, Type::pool_type, own("None")},
    {"ExAllocatePool2", allocation, 4, 3, 2, 1, Type::pool_flags},
    {"ExAllocatePool3", allocation, 6, 3, 2, 1, Type::pool_flags},
    {"ExAllocatePoolWithQuota", allocation, 2, 0, 2, 1, Type::pool_type, own("None")},
    {"ExAllocatePoolWithQuotaTag", allocation, 3, 3, 2, 1, Type::pool_type},
    {"ExAllocatePoolWithTag", allocation, 3, 3, 2, 1, Type::pool_type},
    {"ExAllocatePoolWithTagPriority", allocation, 4, 3, 2, 1, Type::pool_type},
    {"ExFreePool", release, 1},
    {"ExFreePool2", release, 4, 2},
    {"ExFreePoolWithTag", release, 2, 2},
    {"ExInitializeLookasideListEx", lookaside, 8, 7, 6, 4, Type::pool_type},
    {"ExInitializeNPagedLookasideList", lookaside, 7, 6, 5, 0, Type::non_paged},
    {"ExInitializePagedLookasideList", lookaside, 7, 6, 5, 0, Type::paged},
    {"FltAllocatePoolAlignedWithTag", allocation, 4, 4, 3, 2, Type::pool_type},
    {"FltFreePoolAlignedWithTag", release, 3, 3},
    {"FsRtlAllocatePoolWithQuotaTag", allocation, 3, 3, 2, 1, Type::pool_type},
    {"FsRtlAllocatePoolWithTag", allocation, 3, 3, 2, 1, Type::pool_type},
    {"IoAllocateIrp", allocation, 2, 0, 0, 0, Type::non_paged, own("Irp ")},
    {"IoAllocateMdl", allocation, 5, 0, 0, 0, Type::non_paged, own("Mdl ")},
    {"IoAllocateWorkItem", allocation, 1, 0, 0, 0, Type::non_paged, own("IoWI")},
    {"IoFreeIrp", release, 1, 0, 0, 0, Type::none, own("Irp ")},
    {"IoFreeMdl", release, 1, 0, 0, 0, Type::none, own("Mdl ")},
    {"IoFreeWorkItem", release, 1, 0, 0, 0, Type::none, own("IoWI")},
    {"MmAllocateContiguousMemory", allocation, 3, 0, 1, 0, Type::non_paged, own("Cont")},
    {"MmAllocateContiguousMemorySpecifyCache", allocation, 8, 0, 1, 0, Type::non_paged, own("Cont")},
    {"MmAllocateContiguousMemorySpecifyCacheNode", allocation, 9, 0, 1, 0, Type::non_paged, own("Cont")},
    {"MmAllocateContiguousNodeMemory", allocation, 9, 0, 1, 0, Type::non_paged, own("Cont")},
    {"MmAllocateMappingAddress", allocation, 2, 2, 1},
    {"MmAllocateMappingAddressEx", allocation, 3, 2, 1},
    {"MmFreeContiguousMemory", release, 1, 0, 0, 0, Type::none, own("Cont")},
    {"MmFreeContiguousMemorySpecifyCache", release, 3, 0, 0, 0, Type::none, own("Cont")},
    {"MmFreeMappingAddress", release, 2, 2},
    {"NdisAllocateMemoryWithTag", allocation, 3, 3, 2, 0, Type::non_paged},
    {"NdisAllocateMemoryWithTagPriority", allocation, 4, 3, 2, 0, Type::non_paged},
    {"NdisFreeMemory", release, 3},
    {"NdisFreeMemoryWithTag", release, 2, 2},
    {"NdisFreeMemoryWithTagPriority", release, 3, 3},
    {"NdisInitializeNPagedLookasideList", lookaside, 7, 6, 5, 0, Type::non_paged},
    {.name = "StorPortExtendedFunction", .selector = 1},
    {"VideoPortAllocatePool", allocation, 4, 4, 3, 2, Type::pool_type},
    {"VideoPortFreePool", release, 2},
};
static_assert(std::ranges::is_sorted(table, {}, &PoolRoutine::name));

/// StorPort: storport.h of the driver kit declares these as StorPortExtendedFunction with the number of the function
/// before their own arguments: 0 ExtFunctionAllocatePool, 1 ExtFunctionFreePool; the caller removes the arguments. Pool
/// for a miniport is nonpaged. KMDF: wdfmemory.h, where the driver's globals come first; the driver's own tag is
/// WDF_DRIVER_CONFIG.DriverPoolTag (wdfdriver.h: u32 Size, two functions, u32 DriverInitFlags, u32 DriverPoolTag). By
/// name.
constexpr PoolRoutine others[] = {
    {"StorPortAllocatePool", allocation, 0, 4, 3, 0, Type::non_paged},
    {"StorPortFreePool", release, 0},
    {.name = "WdfDriverCreate",
     .kind = allocation,
     .stack_words = 6,
     .tag = 5,
     .type_kind = Type::non_paged,
     .record_pointers = 3, // Size is filled up to one
     .record_bytes = 4,
     .sets_default = true},
    {.name = "WdfLookasideListCreate",
     .kind = lookaside,
     .stack_words = 7,
     .tag = 6,
     .size = 3,
     .type = 4,
     .type_kind = Type::pool_type,
     .default_for_zero = true},
    {.name = "WdfMemoryCreate",
     .kind = allocation,
     .stack_words = 7,
     .tag = 4,
     .size = 5,
     .type = 3,
     .type_kind = Type::pool_type,
     .default_for_zero = true},
};
static_assert(std::ranges::is_sorted(others, {}, &PoolRoutine::name));

/// Numbers of functions do not change from one KMDF 1.x to the next; wdffuncenum.h of the driver kit. (The start of
/// drivers that are linked with KMDF 1.9 replaces function 201, WdfDriverMiniportUnload.)
constexpr WdfRoutine wdf_table[] = {
    {116, "WdfDriverCreate"}, {192, "WdfMemoryCreate"}, {198, "WdfLookasideListCreate"}};

/// "_Name@12", "__imp__Name@12" and "__imp_Name" without what the linker adds.
std::string_view plain(std::string_view name) {
    for (std::string_view prefix : {"__imp_", "imp_"})
        if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
    if (const std::size_t at = name.find('@'); at != std::string_view::npos && name.starts_with('_')) {
        name = name.substr(0, at);
    }
    if (name.starts_with('_')) name.remove_prefix(1);
    return name;
}

const PoolRoutine* exactly(std::string_view name) {
    auto found = std::ranges::lower_bound(table, name, {}, &PoolRoutine::name);
    return found == std::end(table) || found->name != name ? nullptr : found;
}

} // namespace

const PoolRoutine* find_pool_routine(std::string_view name) {
    if (const PoolRoutine* found = exactly(name)) return found;
    return exactly(plain(name));
}

std::span<const PoolRoutine> pool_routines() {
    return table;
}

const PoolRoutine* find_other_routine(std::string_view name) {
    auto found = std::ranges::lower_bound(others, name, {}, &PoolRoutine::name);
    return found == std::end(others) || found->name != name ? nullptr : found;
}

const PoolRoutine* selected_routine(const PoolRoutine& entry, std::uint64_t selector) {
    if (entry.selector == 0) return nullptr;
    if (selector == 0) return find_other_routine("StorPortAllocatePool");
    return selector == 1 ? find_other_routine("StorPortFreePool") : nullptr;
}

std::span<const WdfRoutine> wdf_routines() {
    return wdf_table;
}

unsigned stack_word(const PoolRoutine& routine, unsigned argument) {
    // POOL_FLAGS, the first argument of its routines, takes two words.
    return routine.type_kind == PoolRoutine::Type::pool_flags && argument > 1 ? argument + 1 : argument;
}

std::optional<bool> is_paged(const PoolRoutine& routine, std::optional<std::uint64_t> type) {
    constexpr std::uint64_t flag_non_paged = 0x40, flag_non_paged_execute = 0x80, flag_paged = 0x100;
    switch (routine.type_kind) {
    case PoolRoutine::Type::none: return std::nullopt;
    case PoolRoutine::Type::paged: return true;
    case PoolRoutine::Type::non_paged: return false;
    case PoolRoutine::Type::pool_type:
        if (!type) return std::nullopt;
        return (*type & 1) != 0;
    case PoolRoutine::Type::pool_flags:
        if (!type) return std::nullopt;
        if (*type & flag_paged) return true;
        if (*type & (flag_non_paged | flag_non_paged_execute)) return false;
        return std::nullopt;
    }
    return std::nullopt;
}

} // namespace poolkd::code
