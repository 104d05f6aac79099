#pragma once

#include "dumps/crash_header.h"
#include "nt/kernel.h"

#include <vector>

namespace poolkd::nt {

/// What the header of a dump of this kernel has to say, with the registers of `processor`. What the kernel or its
/// container do not tell is empty. Errors: those of its page tables.
Result<dumps::ImageFacts> dump_facts(Kernel& kernel, std::uint32_t processor);

/// The machine's physical memory, in order: all that an image holds, or for a live kernel its own list
/// (MmPhysicalMemoryBlock, by its symbol or KDBG). Errors: `unsupported` for an image without physical memory;
/// `not_found`, `malformed` and unreadable for the list.
Result<std::vector<dumps::PageRun>> physical_runs(Kernel& kernel);

} // namespace poolkd::nt
