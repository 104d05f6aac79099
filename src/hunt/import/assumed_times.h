#pragma once

#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

using OpenReader = std::function<Result<std::unique_ptr<Reader>>(const Input&)>;

/// Gives times to snapshots that bear none. They end at the file's date and lie one interval apart: that of the format
/// itself, else that of the options. A single snapshot is of the file's date. Several without an interval stay without
/// times, which a note says. Snapshots that are not in the order of time are sorted; where some have no time, or they
/// are too many for the memory, all lose theirs.
Result<std::unique_ptr<SnapshotSource>> with_times(Input input, const OpenReader& open, const EvidenceOptions& options);

} // namespace poolkd::hunt::import
