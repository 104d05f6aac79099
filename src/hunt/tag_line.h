#pragma once

#include "hunt/tag_list.h"

#include <optional>
#include <string_view>

namespace poolkd::hunt {

/// Blank lines and remarks (`rem ...`, `// ...`).
[[nodiscard]] bool is_tag_remark(std::string_view line);

/// `Tag - binary - description`, or `Tag  driver.sys` as in localtag.txt; nothing when the line is neither. Texts come
/// out as UTF-8.
[[nodiscard]] std::optional<TagEntry> tag_line(std::string_view line);

} // namespace poolkd::hunt
