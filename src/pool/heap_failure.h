#pragma once

#include "nt/kernel.h"
#include "pool/bug_check_meaning.h"

#include <cstdint>
#include <string_view>

namespace poolkd::pool {

/// What KERNEL_MODE_HEAP_CORRUPTION found: its first parameter, a number of _HEAP_FAILURE_TYPE.
struct HeapFailure {
    std::string_view name; ///< the enumerator: "heap_failure_buffer_overrun"
    std::string_view words;
    Suspect suspect = Suspect::unknown;
};

/// By the enumeration in the kernel's symbols, whose numbers differ between versions from 10 on. Without it by the
/// numbers that all have, and from 10 on by those of Windows 10 1809 and later. Null for one that is not known.
[[nodiscard]] const HeapFailure* heap_failure(nt::Kernel& kernel, std::uint64_t number);

} // namespace poolkd::pool
