#include "hunt/snapshot.h"

#include <algorithm>

namespace poolkd::hunt {

std::string_view to_text(PoolKind kind) {
    return kind == PoolKind::nonpaged ? "Nonp" : "Paged";
}

void sort_rows(std::vector<TagCounts>& rows) {
    std::ranges::sort(rows, {}, &TagCounts::key);
    auto last = rows.begin();
    for (auto row = rows.begin(); row != rows.end(); ++row) {
        if (row == last) continue;
        if (row->key == last->key) {
            last->allocs += row->allocs;
            last->frees += row->frees;
            // Hostile evidence may overflow; that must not be undefined.
            last->bytes = static_cast<std::int64_t>(static_cast<std::uint64_t>(last->bytes) +
                                                    static_cast<std::uint64_t>(row->bytes));
        } else {
            *++last = *row;
        }
    }
    if (!rows.empty()) rows.erase(last + 1, rows.end());
}

} // namespace poolkd::hunt
