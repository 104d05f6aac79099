#pragma once

#include "base/work.h"
#include "hunt/evidence.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace poolkd::hunt {

/// What all snapshots of some evidence say together, apart from their rows.
struct EvidenceHead {
    std::size_t snapshots = 0;                       ///< that were read
    std::optional<Time> first, last;                 ///< of the first snapshot and of the last
    bool times_assumed = false;                      ///< some
    std::optional<std::chrono::milliseconds> uptime; ///< at the end
    std::string machine;
    std::vector<std::string> evidence;
    bool activity = true, whole = true; ///< of every snapshot
    Coverage coverage;

    void note(const Snapshot& snapshot);

    /// Of any evidence: a machine has some thousands. What comes later is left out, which the coverage says.
    static constexpr std::size_t most_tags = 50'000;
};

/// Hands each snapshot of a source to `take`, which may move from it. A stop of the user after the first one is a gap
/// of `coverage`, not an error.
Result<void> read_through(SnapshotSource& source, Work& work, Coverage& coverage,
                          const std::function<void(Snapshot&)>& take);

} // namespace poolkd::hunt
