#include "hunt/import/gathered_rows.h"

#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

bool GatheredRows::add(const RowForm& form, const FlatRow& row, std::size_t number) {
    bool activity = true;
    const std::size_t had = active_.size();
    if (!form.read(row, active_, activity)) return false;
    any_ = true;
    if (activity) return true;
    const auto first = active_.begin() + static_cast<std::ptrdiff_t>(had);
    in_use_.insert(in_use_.end(), first, active_.end());
    active_.erase(first, active_.end());
    numbers_.resize(in_use_.size(), number);
    return true;
}

void GatheredRows::finish(Snapshot& out, LineProblems& unreadable) {
    out.activity = !active_.empty() || in_use_.empty();
    if (out.activity)
        for (std::size_t i = 0; i < numbers_.size(); ++i)
            if (i == 0 || numbers_[i] != numbers_[i - 1]) unreadable.add(numbers_[i]);
    out.rows = std::exchange(out.activity ? active_ : in_use_, {});
    *this = {};
    sort_rows(out.rows);
    out.whole = looks_whole(out.rows);
}

} // namespace poolkd::hunt::import
