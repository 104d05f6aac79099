#pragma once

#include "base/tag.h"
#include "hunt/tag_list.h"

#include <optional>
#include <string>

namespace poolkd::hunt {

/// Where a tag stands in the system: what is higher holds what is lower, so when both grow together the higher one is
/// the likely owner.
struct Layer {
    unsigned height = 0; ///< 0 to 100
    std::string what;    ///< "filter context", "file object", "MDL", …
    std::string binary;  ///< "ntfs.sys", "nt!io"; empty: unknown
    std::string description;
    bool cache = false; ///< what Windows keeps as long as nobody needs the memory
    bool known = false; ///< from the table or a list; else the tag is nobody's that we know
};

/// What the layer table and the tag lists (the user's own first) say of a tag.
[[nodiscard]] Layer layer_of(PoolTag tag, const TagLists* lists);

} // namespace poolkd::hunt
