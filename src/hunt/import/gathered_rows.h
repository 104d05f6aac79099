#pragma once

#include "hunt/import/columns.h"
#include "hunt/import/line_problems.h"

#include <utility>

namespace poolkd::hunt::import {

/// The rows of one snapshot while they are read. Where some of them state what was freed, those that do not are left
/// out as unreadable: the others' activity is worth more. Only when none states it, what is in use is all that is
/// known.
class GatheredRows {
  public:
    /// `number`: of the line or object, for the note. False: the row cannot be read.
    bool add(const RowForm& form, const FlatRow& row, std::size_t number);
    [[nodiscard]] bool empty() const { return active_.empty() && in_use_.empty() && !any_; }
    /// Moves the rows into `out`, by key, and begins anew. Sets what they say of the snapshot: `activity`, `whole`.
    void finish(Snapshot& out, LineProblems& unreadable);

  private:
    std::vector<TagCounts> active_;
    std::vector<TagCounts> in_use_;
    std::vector<std::size_t> numbers_; ///< of the rows in `in_use_`
    bool any_ = false;                 ///< a row was read, though it may have said nothing
};

} // namespace poolkd::hunt::import
