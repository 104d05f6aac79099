#pragma once

#include "hunt/crash.h"

namespace poolkd::hunt {

/// Puts what the pool around the block shows into sentences, and whether it agrees with the parameters.
void tell_surroundings(CrashReport& report, unsigned pointer_size);
/// The driver that is to blame by all of that, how sure it is, and what to type next.
void draw_conclusions(CrashReport& report, unsigned pointer_size);

} // namespace poolkd::hunt
