#include "hunt/import/reader.h"

#include <algorithm>

namespace poolkd::hunt::import {

bool looks_whole(const std::vector<TagCounts>& rows) {
    return rows.size() >= rows_of_a_whole_table &&
           std::ranges::any_of(rows, [&](const TagCounts& row) { return row.key.kind != rows.front().key.kind; });
}

void clear(Snapshot& snapshot) {
    std::vector<TagCounts> rows = std::move(snapshot.rows);
    rows.clear();
    snapshot = Snapshot{};
    snapshot.rows = std::move(rows);
}

} // namespace poolkd::hunt::import
