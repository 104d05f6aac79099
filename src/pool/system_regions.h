#pragma once

#include "pool/ranges.h"

#include <vector>

namespace poolkd::pool {

/// The regions that kernels with a randomised address space drew for the pools: MiState.Vs.SystemVaRegions
/// (public symbols). Empty where the symbols have none.
std::vector<PoolRange> assigned_regions(nt::Kernel& kernel);

/// Where the kernel's array of types (MiSystemVaType, MiState.Vs.SystemVaType) has the pools' types: a byte for each
/// entry at the top of x64's page tables, and for each entry of x86's page directories. Empty where there is none.
std::vector<PoolRange> typed_regions(nt::Kernel& kernel);

/// The spans of entries at the top of x64's page tables in which large allocations of that kind lie: for kernels that
/// give each kind of memory such entries of its own, and tell it nowhere.
std::vector<PoolRange> spans_of_big_pages(nt::Kernel& kernel, PoolKind kind, Work& work);

} // namespace poolkd::pool
