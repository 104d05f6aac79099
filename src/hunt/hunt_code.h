#pragma once

#include "hunt/hunt_state.h"

#include <span>
#include <string>

namespace poolkd::hunt {

/// The modules of the target, loaded and gone, none looked through yet.
void list_modules(HuntState& hunt);

/// A step: looks through the code of the modules for who allocates under which tag, on a live target as far as the time
/// for it goes.
void read_code(HuntState& hunt);

/// Looks through the code of one module (an index in `modules`) where that was not done.
void index_module(HuntState& hunt, std::size_t module, Work& work);

/// Some code that was looked through has this tag.
[[nodiscard]] bool in_code(std::span<const ClueModule> modules, PoolTag tag);

/// The image that a tag is of, by its code: who was named for a suspect, else the only driver that allocates under the
/// tag. Empty: not known.
[[nodiscard]] std::string owner_by_code(const HuntState& hunt, std::size_t row);

} // namespace poolkd::hunt
