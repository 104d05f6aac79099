#pragma once

#include "dumps/raw.h"
#include "nt/find_kernel.h"

#include <memory>
#include <span>
#include <string>

namespace poolkd::nt {

struct OpenedImage {
    std::unique_ptr<target::DumpTarget> target;
    KernelPlace kernel;
    std::uint64_t low_memory_end =
        0; ///< taken for a file that does not say where its parts lie; 0: offsets are addresses
    std::size_t processor_records = 0; ///< of the kernel's own, as `adopt_processors` counts them
};

/// Opens an image and finds its kernel and processors. A file of a virtual machine's RAM may have a hole that it does
/// not show: `low_memory_ends` are tried, the likeliest first. Errors: those of DumpTarget::open and `find_kernel`.
Result<OpenedImage> open_image(const std::string& path, Work& work,
                               std::span<const std::uint64_t> low_memory_ends = dumps::low_memory_ends);

} // namespace poolkd::nt
