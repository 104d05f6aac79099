#pragma once

#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

/// Logs of kd, WinDbg or poolkd with the tables of `!poolused`, in the classic layout, the wider one of today, and with
/// flag 1 (allocations and frees). What `.time` prints before a table gives it time and uptime. A table that only
/// repeats the one before it (`!poolused 2`, then `!poolused 4`, at one stop) gives no snapshot of its own.
///
/// A table is whole when nothing was left out ("...", a pattern, `/t`) and it ends with a TOTAL that fits or has at
/// least 200 tags.
Result<std::unique_ptr<Reader>> open_poolused(const Input& input);

} // namespace poolkd::hunt::import
