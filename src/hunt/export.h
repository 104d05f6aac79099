#pragma once

#include "base/error.h"
#include "hunt/snapshot.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace poolkd::hunt {

/// The formats that we write; all of them are read again (docs/formats.md).
enum class ExportFormat {
    series,  ///< a recorded series: everything, and the smallest
    csv,     ///< `time,tag,type,allocs,frees,bytes`
    json,    ///< one object a line and snapshot
    poolmon, ///< as `poolmon -n` writes
};

/// By the end of the name: `.csv`; `.json`, `.jsonl`, `.ndjson`; `.log`, `.txt`; any other: a series.
[[nodiscard]] ExportFormat format_by_name(const std::filesystem::path& file);

constexpr std::string_view csv_header = "time,tag,type,allocs,frees,bytes\n";

/// One line a row: Unix seconds, tag (in hexadecimal when it cannot be printed), pool, counters. Frees stay empty where
/// they are not known. Kind `unsupported` without a time.
Result<void> append_csv(std::string& out, const Snapshot& snapshot);

/// One line with all that a snapshot knows.
void append_json_line(std::string& out, const Snapshot& snapshot);

/// Two lines on memory, where something is known of it, the names of the columns, and the rows. `with_time`: above it a
/// line with the time, which PoolMon's own files lack. Kind `unsupported` where frees are not known: PoolMon's text has
/// no form for that.
Result<void> append_poolmon(std::string& out, const Snapshot& snapshot, bool with_time);

/// Adds snapshots to a file of any of the formats.
class SnapshotWriter {
  public:
    virtual ~SnapshotWriter() = default;
    /// Kind `io`, and those of the formats. What was added is with the operating system afterwards.
    virtual Result<void> add(const Snapshot& snapshot) = 0;
};

enum class ExportMode {
    replace, ///< a file of that name is emptied (a series only when it is one)
    append,  ///< to what is there; CSV names its columns once
};

/// Kind `io`; for a series also `malformed` when the file is something else.
Result<std::unique_ptr<SnapshotWriter>> open_writer(const std::filesystem::path& file, ExportFormat format,
                                                    ExportMode mode);

} // namespace poolkd::hunt
