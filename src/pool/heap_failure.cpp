#include "pool/heap_failure.h"

#include <algorithm>

namespace poolkd::pool {

namespace {

// In the order of the numbers since Windows 10 1809. Source: the public symbols of Windows 7 to 11.
constexpr HeapFailure failures[] = {
    {"heap_failure_internal", "an error within the heap (heap_failure_internal)", Suspect::unknown},
    {"heap_failure_unknown", "unknown damage (heap_failure_unknown)", Suspect::unknown},
    {"heap_failure_generic", "damage of no particular kind (heap_failure_generic)", Suspect::unknown},
    {"heap_failure_entry_corruption", "the header of a block is damaged (heap_failure_entry_corruption)",
     Suspect::previous_owner},
    {"heap_failure_multiple_entries_corruption",
     "the headers of several blocks are damaged (heap_failure_multiple_entries_corruption)", Suspect::previous_owner},
    {"heap_failure_virtual_block_corruption",
     "the header of a large block is damaged (heap_failure_virtual_block_corruption)", Suspect::owner},
    {"heap_failure_buffer_overrun", "somebody wrote past the end of a block (heap_failure_buffer_overrun)",
     Suspect::owner},
    {"heap_failure_buffer_underrun", "somebody wrote in front of a block (heap_failure_buffer_underrun)",
     Suspect::owner},
    {"heap_failure_block_not_busy", "a block was freed that is not in use (heap_failure_block_not_busy)",
     Suspect::caller},
    {"heap_failure_invalid_argument", "a wrong argument was given to the heap (heap_failure_invalid_argument)",
     Suspect::caller},
    {"heap_failure_invalid_allocation_type",
     "a block is of a kind that there is not (heap_failure_invalid_allocation_type)", Suspect::caller},
    {"heap_failure_usage_after_free", "a free block was used (heap_failure_usage_after_free)", Suspect::owner},
    {"heap_failure_cross_heap_operation",
     "a block was given back to another heap than its own (heap_failure_cross_heap_operation)", Suspect::caller},
    {"heap_failure_freelists_corruption", "the lists of free blocks are damaged (heap_failure_freelists_corruption)",
     Suspect::owner},
    {"heap_failure_listentry_corruption", "a list is damaged (heap_failure_listentry_corruption)", Suspect::owner},
    {"heap_failure_lfh_bitmap_mismatch",
     "the bitmap of small blocks contradicts them (heap_failure_lfh_bitmap_mismatch)", Suspect::unknown},
    {"heap_failure_segment_lfh_bitmap_corruption",
     "the bitmap of small blocks is damaged (heap_failure_segment_lfh_bitmap_corruption)", Suspect::unknown},
    {"heap_failure_segment_lfh_double_free", "a small block was freed twice (heap_failure_segment_lfh_double_free)",
     Suspect::caller},
    {"heap_failure_vs_subsegment_corruption",
     "a subsegment of blocks of varying sizes is damaged (heap_failure_vs_subsegment_corruption)",
     Suspect::previous_owner},
    {"heap_failure_null_heap", "no heap was named (heap_failure_null_heap)", Suspect::caller},
    {"heap_failure_allocation_limit", "more was asked for than the heap may give (heap_failure_allocation_limit)",
     Suspect::caller},
    {"heap_failure_commit_limit", "the heap may commit no more memory (heap_failure_commit_limit)", Suspect::nobody},
    {"heap_failure_invalid_va_mgr_query",
     "the heap was asked for an address that it does not manage (heap_failure_invalid_va_mgr_query)", Suspect::caller},
};

/// Null: the symbols have no such enumeration.
symbols::TypePtr failure_type(nt::Kernel& kernel) {
    symbols::ModuleSymbols* symbols = kernel.modules().symbols(kernel.modules().kernel());
    if (!symbols) return nullptr;
    const auto type = symbols->type("_HEAP_FAILURE_TYPE");
    return type && !(*type)->enumerators.empty() ? *type : nullptr;
}

} // namespace

const HeapFailure* heap_failure(nt::Kernel& kernel, std::uint64_t number) {
    const symbols::TypePtr type = failure_type(kernel);
    if (!type) return number < std::size(failures) ? &failures[number] : nullptr;
    const auto named = std::ranges::find(type->enumerators, number, &symbols::Enumerator::value);
    if (named == type->enumerators.end()) return nullptr;
    const auto* known = std::ranges::find(failures, named->name, &HeapFailure::name);
    return known != std::end(failures) ? known : nullptr;
}

} // namespace poolkd::pool
