#pragma once

#include "hunt/snapshot.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// How one `!poolused` table is laid out, from the line with its names.
struct PoolusedForm {
    std::size_t tag_column = 0;
    bool verbose = false;       ///< Allocs Frees Diff Used for each pool; else Allocs (in use) and Used
    std::size_t last_width = 0; ///< of the last column
};

/// ` Tag    Allocs     Used    Allocs     Used`. Nothing when the line is something else.
std::optional<PoolusedForm> poolused_header(std::string_view line);

/// Both pools of a tag, or of all tags.
struct PoolusedRow {
    bool total = false;
    PoolTag tag; ///< kd writes '.' for bytes that cannot be printed
    TagCounts nonpaged, paged;
    bool contradicts = false; ///< Diff is not Allocs minus Frees
};

std::optional<PoolusedRow> poolused_row(std::string_view line, const PoolusedForm& form);

/// What stands behind a debugger's prompt ("0: kd> ", "lkd> "); nothing when there is no prompt.
std::optional<std::string_view> behind_prompt(std::string_view line);

/// The command shows a part of the tags only: a pattern, or `/t N`.
bool shows_a_part(std::string_view poolused_command);

} // namespace poolkd::hunt::import
