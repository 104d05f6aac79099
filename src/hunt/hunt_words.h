#pragma once

#include "hunt/hunt.h"

namespace poolkd::hunt {

/// The answer on one suspect in a sentence or two, and how sure it is.
[[nodiscard]] std::string conclusion_of(const HuntReport& report, const Suspect& suspect);

/// Headline, other readings, and steps to confirm.
void tell_report(HuntReport& report, bool live, bool has_kernel);

} // namespace poolkd::hunt
