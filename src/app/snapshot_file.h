#pragma once

#include "base/error.h"
#include "hunt/snapshot.h"

#include <filesystem>
#include <memory>
#include <string>

namespace poolkd::app {

/// A file that snapshots are added to. What was added stays, whatever happens next.
class SnapshotFile {
  public:
    virtual ~SnapshotFile() = default;
    virtual Result<void> add(const hunt::Snapshot& snapshot) = 0;

    /// By the name: `.csv`, `.json` and `.jsonl` (one object a line), else a series (hunt/series_file.h). A file that
    /// is there is added to; kind `mismatch` when it is of another machine, `io`, `malformed`.
    static Result<std::unique_ptr<SnapshotFile>> open(const std::filesystem::path& file, const std::string& machine);
};

} // namespace poolkd::app
