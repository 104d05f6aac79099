#pragma once

#include "hunt/hunt.h"

namespace poolkd::hunt {

/// The owner that is held for more likely than not; null when whose the tag is cannot be told.
[[nodiscard]] const SuspectOwner* owner_named(const Suspect& suspect);

/// The answer on one suspect in a sentence or two, and how sure it is.
[[nodiscard]] std::string conclusion_of(const HuntReport& report, const Suspect& suspect);

/// Headline, other readings, and steps to confirm.
void tell_report(HuntReport& report, bool live, bool has_kernel);

} // namespace poolkd::hunt
