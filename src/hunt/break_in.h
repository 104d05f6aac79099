#pragma once

#include "control/controller.h"
#include "nt/kernel.h"

#include <optional>
#include <string>

namespace poolkd::hunt {

/// Whether the target stands where only a debugger's break-in stops it, ours or one that an earlier debugger left
/// behind. Nothing where the place is not known.
[[nodiscard]] std::optional<bool> at_break_in(nt::Kernel& kernel, const control::StopReport& report);

/// What stopped it, for a sentence: "breakpoint 2 was hit", "the target is in a bug check".
[[nodiscard]] std::string describe_stop(nt::Kernel& kernel, const control::StopReport& report);

} // namespace poolkd::hunt
