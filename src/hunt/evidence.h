#pragma once

#include "base/error.h"
#include "base/work.h"
#include "hunt/snapshot.h"

#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// Snapshots of one piece of evidence, oldest first, one at a time: a long series never lies in memory as a whole.
class SnapshotSource {
  public:
    virtual ~SnapshotSource() = default;
    /// Fills `out`. False: there are no more. Kind `stopped` when the user stopped the work.
    virtual Result<bool> next(Snapshot& out, Work& work) = 0;
    /// How many there are, where that is known beforehand.
    [[nodiscard]] virtual std::optional<std::size_t> count() const { return std::nullopt; }
    /// What the reader wants told: lines that it could not read, times that it had to assume. Complete after the end.
    [[nodiscard]] virtual const std::vector<std::string>& notes() const = 0;
};

/// Opens evidence that this floor cannot read itself, such as memory images. Nothing: the file is none of its kinds.
using OpenOther = std::function<Result<std::unique_ptr<SnapshotSource>>(const std::filesystem::path& file, Work& work)>;

struct EvidenceOptions {
    /// Between snapshots that bear no time; nothing: the date of each file.
    std::optional<std::chrono::milliseconds> interval;
    /// Of the (last) snapshot, where the evidence does not state it.
    std::optional<std::chrono::milliseconds> uptime;
    /// Asked first, where there is one.
    OpenOther open_other = {};
};

/// Opens a file of any format that we read (docs/formats.md), told apart by its content: PoolMon text, `!poolused`
/// text, CSV, JSON, a recorded series. Kind `not_found`, `io`; `malformed` names the formats that were tried and the
/// first line.
Result<std::unique_ptr<SnapshotSource>> open_evidence(const std::filesystem::path& file, const EvidenceOptions& options,
                                                      Work& work);

/// Several files as one: merged by time where every snapshot has one, else one file after the other.
Result<std::unique_ptr<SnapshotSource>> open_evidence(const std::vector<std::filesystem::path>& files,
                                                      const EvidenceOptions& options, Work& work);

/// A piece of evidence whose bytes lie in memory; `name` is for people.
Result<std::unique_ptr<SnapshotSource>> open_evidence_bytes(std::string name, std::string bytes,
                                                            const EvidenceOptions& options, Work& work);

/// Snapshots that lie in memory, as they are.
std::unique_ptr<SnapshotSource> from_snapshots(std::vector<Snapshot> snapshots);

/// The same of a list that outlives the source and does not change meanwhile.
std::unique_ptr<SnapshotSource> view_snapshots(const std::deque<Snapshot>& snapshots);

/// All snapshots of a source. For few: tests, `diff`.
Result<std::vector<Snapshot>> read_all(SnapshotSource& source, Work& work);

} // namespace poolkd::hunt
