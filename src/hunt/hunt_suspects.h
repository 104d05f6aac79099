#pragma once

#include "hunt/hunt_state.h"

namespace poolkd::hunt {

/// By what the counters say: leaking and growing tags, or the one that is asked for.
void choose_suspects(HuntState& hunt);

/// Tags with blocks that no module has in its code, when drivers were unloaded: whoever could free them is gone.
void add_orphans(HuntState& hunt);

/// What the counters alone would not have made a suspect stays one only where its blocks point at who is gone. How many
/// were dropped.
std::size_t drop_unproven_orphans(HuntState& hunt);

/// In the whole answer on a suspect: that its tag leaks, times that it is this site's or owner's.
[[nodiscard]] double confidence_in(const HuntState& hunt, const Suspect& suspect);

/// Leaks first, of a group its likely owner before the others, then orphans, then what grows. Among these who can be
/// named before who cannot, and then what takes most memory an hour.
void order_suspects(HuntReport& report);

} // namespace poolkd::hunt
