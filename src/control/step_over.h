#pragma once

#include "nt/kernel.h"

#include <optional>

namespace poolkd::control {

/// The address after the instruction at `ip` when stepping over it means running there (a call, a repeated string
/// instruction); nothing when one traced instruction is the same.
Result<std::optional<VirtAddr>> end_of_call(nt::Kernel& kernel, VirtAddr ip);

} // namespace poolkd::control
