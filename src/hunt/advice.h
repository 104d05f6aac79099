#pragma once

#include "hunt/verdict.h"

namespace poolkd::hunt {

/// What to do next, given what the report says and what it could not tell.
[[nodiscard]] std::vector<Advice> advise(const Report& report);

} // namespace poolkd::hunt
