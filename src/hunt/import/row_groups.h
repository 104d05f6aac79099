#pragma once

#include "hunt/import/columns.h"
#include "hunt/import/line_problems.h"
#include "hunt/import/reader.h"

#include <map>

namespace poolkd::hunt::import {

/// Rows of a table from first to last.
class RowStream {
  public:
    virtual ~RowStream() = default;
    /// Fills `row`; its texts hold until the next call. False: there are no more.
    virtual Result<bool> next(FlatRow& row, Work& work) = 0;
    /// The same, but only the field of the time need be filled: for the look through the times.
    virtual Result<bool> next_time(FlatRow& row, Work& work) { return next(row, work); }
    /// Which columns there are; may change from row to row.
    [[nodiscard]] virtual const std::array<bool, column_count>& present() const = 0;
    /// Of the row given last: line or entry, for notes.
    [[nodiscard]] virtual std::size_t number() const = 0;
    [[nodiscard]] virtual std::string_view unit() const { return "line"; }
    /// Lines that are no rows at all.
    virtual void tell(std::vector<std::string>& notes) const = 0;
};

using OpenRows = std::function<Result<std::unique_ptr<RowStream>>(const Input&)>;

/// Rows of one time after the other make a snapshot; a table without times is one. A table that is not in the order of
/// time is sorted in memory; whether it is, and whether its dates begin with the day or the month, costs a look through
/// its times beforehand. Two machines in one table are
/// refused (kind `malformed`).
Result<std::unique_ptr<Reader>> group_rows(const Input& input, const OpenRows& open);

} // namespace poolkd::hunt::import
