#pragma once

#include "hunt/clues.h"

namespace poolkd::hunt {

/// Fills in who owns the tag and from where in the code its blocks pile up: `owners`, `sites`, `unknown`. What the
/// rules are: docs/hunt.md 3.
void attribute(const Clues& clues, Suspect& suspect);

/// The block that a request of so many bytes gets: with its header, rounded; whole pages above a page.
[[nodiscard]] std::uint64_t block_size_of(std::uint64_t request, const BlockClues& pool);

} // namespace poolkd::hunt
