#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

void clear(Snapshot& snapshot) {
    std::vector<TagCounts> rows = std::move(snapshot.rows);
    rows.clear();
    snapshot = Snapshot{};
    snapshot.rows = std::move(rows);
}

} // namespace poolkd::hunt::import
