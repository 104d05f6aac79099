#pragma once

#include "nt/find_kernel.h"
#include "nt/kdbg.h"
#include "nt/kernel.h"

#include <cstddef>

namespace poolkd::nt {

/// Finds what the processors of a memory image were doing in NT's own records (KiProcessorBlock, by the KDBG block; no
/// symbols are needed), and tells the target. NT keeps there where a processor stood when a bug check, its debugger or
/// a dump stopped it; a processor that was not stopped has an old record or none. Registers that the container states
/// itself stay, but for processors that only waited in the kernel's debugger: the record is of the code that was
/// interrupted, its stack just above. Gives how many records were taken.
std::size_t adopt_processors(target::DumpTarget& target, const KernelPlace& kernel);

/// The same once `reload` was there, for a block that is encoded: only the kernel's symbols decode it.
std::size_t adopt_decoded_processors(target::DumpTarget& target, const KernelPlace& place, const Kernel& kernel);

/// The same with a block that was found.
std::size_t adopt_processors(target::DumpTarget& target, const Kdbg& kdbg);

} // namespace poolkd::nt
