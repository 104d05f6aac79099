#pragma once

#include "hunt/export.h"

#include <filesystem>
#include <memory>
#include <string>

namespace poolkd::app {

/// Opens a file for the snapshots of a live machine, in the format of its name (`hunt::format_by_name`). A file that is
/// there is added to. A series is on the disk after each snapshot. Kind `mismatch` when the file is of another machine,
/// `io`, `malformed`.
Result<std::unique_ptr<hunt::SnapshotWriter>> open_recording(const std::filesystem::path& file,
                                                             const std::string& machine);

} // namespace poolkd::app
