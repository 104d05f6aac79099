#pragma once

#include "hunt/snapshot.h"

#include <optional>
#include <string_view>

namespace poolkd::hunt::import {

/// One row of PoolMon's table.
struct PoolmonRow {
    TagCounts counts;
    std::int64_t allocs_change = 0, frees_change = 0, bytes_change = 0; ///< since the last refresh, five seconds ago
    bool contradicts = false; ///< the difference is not that of the two counters
};

/// ` Tag  Type  Allocs ( change)  Frees ( change)  Diff  Bytes ( change)  Per Alloc  driver`; changes, the average and
/// the driver may be absent. Digits may be grouped in threes; where blanks do that, the difference of the counters must
/// tell the columns apart. findstr's "file.log:" may stand before it. Nothing when the line is no row.
std::optional<PoolmonRow> poolmon_row(std::string_view line);

/// Takes what one of the two lines over the table says of memory. False when it is none of them.
bool poolmon_memory(std::string_view line, MemoryFacts& memory);

/// The line with the names of the columns.
bool poolmon_header(std::string_view line);

/// The rows of the screen are those of session pool; nothing when the line is no title.
std::optional<bool> poolmon_title_is_session(std::string_view line);

} // namespace poolkd::hunt::import
