#pragma once

#include "base/tag.h"

#include <cstddef>
#include <set>
#include <vector>

namespace poolkd::hunt {

/// `count` tags that are not in `taken`, made of the beginning of `old` and a number: "Ab01", "Ab02". Letters and
/// digits only, whatever the old tag holds, so that they are easily typed. Fewer when there are no more.
std::vector<PoolTag> make_new_tags(PoolTag old, std::size_t count, const std::set<PoolTag>& taken);

} // namespace poolkd::hunt
