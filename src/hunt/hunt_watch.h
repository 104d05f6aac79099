#pragma once

#include "hunt/hunt_state.h"

namespace poolkd::hunt {

/// A step: watches the suspects' tags, one after the other, each allocation and each free, as long as there is time.
void watch_suspects(HuntState& hunt);

} // namespace poolkd::hunt
