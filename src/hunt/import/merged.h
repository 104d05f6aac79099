#pragma once

#include "hunt/evidence.h"

#include <functional>

namespace poolkd::hunt::import {

/// One of several pieces of evidence.
struct Part {
    std::string name;
    std::function<Result<std::unique_ptr<SnapshotSource>>(Work&)> open;
};

/// All parts as one source: merged by time where the first snapshot of each part bears one, else part after part. A
/// part is open only from its first snapshot to its last, so that there may be thousands of them. Parts whose times are
/// only those of their files are `interval` apart in the order given; without an interval the dates count, unless two
/// files have the same one. What two parts both hold is handed out once.
Result<std::unique_ptr<SnapshotSource>> merge(std::vector<Part> parts,
                                              std::optional<std::chrono::milliseconds> interval, Work& work);

} // namespace poolkd::hunt::import
