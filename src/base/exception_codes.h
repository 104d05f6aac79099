#pragma once

#include <cstdint>

namespace poolkd {

/// What NT reports for an int 3, and for the trap flag and the debug registers.
inline constexpr std::uint32_t status_breakpoint = 0x80000003;
inline constexpr std::uint32_t status_single_step = 0x80000004;

} // namespace poolkd
