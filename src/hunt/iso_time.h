#pragma once

#include "hunt/snapshot.h"

#include <string>

namespace poolkd::hunt {

/// "2026-11-25T09:43:15.120Z"; without the fraction when it is zero.
[[nodiscard]] std::string iso_time(Time time);

} // namespace poolkd::hunt
