#pragma once

#include "target/target.h"

#include <string_view>

namespace poolkd::target {

/// Where the addresses of a segment register begin: on x86 as the descriptor says that its selector names, on x64 the
/// base that the kernel has for gs. Kind `unsupported` where the target does not tell.
Result<VirtAddr> segment_base(Target& target, std::uint32_t processor, const RegisterFile& registers,
                              std::string_view segment);

} // namespace poolkd::target
