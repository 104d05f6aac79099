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
/// part is open only from its first snapshot to its last, so that there may be thousands of them.
Result<std::unique_ptr<SnapshotSource>> merge(std::vector<Part> parts, Work& work);

} // namespace poolkd::hunt::import
