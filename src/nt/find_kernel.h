#pragma once

#include "target/dump_target.h"

#include <string>

namespace poolkd::nt {

/// Where the kernel is in a memory image, and by what it was found.
struct KernelPlace {
    VirtAddr base;
    VirtAddr loaded_module_list; ///< 0 where neither header nor KDBG told it: the symbols will
    VirtAddr debugger_data;      ///< the KDBG block; 0: not found in plain text
    std::string found_by;        ///< "the module list that the header names"
};

/// Finds page tables, where the image does not state them, and the kernel; and tells both to the target. Evidence is
/// tried from the strongest down: header, registers, page tables found by their self map, all mapped pages. Errors:
/// `not_found`, with what was tried; `unsupported` for images without physical memory and without a list of drivers.
Result<KernelPlace> find_kernel(target::DumpTarget& target, Work& work);

} // namespace poolkd::nt
