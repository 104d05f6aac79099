#pragma once

#include "nt/kernel.h"

namespace poolkd::pool {

/// FLG_POOL_ENABLE_TAGGING (`ptg`) in NtGlobalFlag; read at boot, so setting it in memory changes nothing.
inline constexpr std::uint32_t pool_tagging_flag = 0x400;

/// Succeeds when the kernel counts allocations by tag. Kind `unsupported`, with what to do, when it was booted without
/// pool tagging. Server 2003 and later always count, whatever the flag says: what decides is the table itself.
Result<void> require_tagging(nt::Kernel& kernel);

} // namespace poolkd::pool
