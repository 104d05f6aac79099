#pragma once

#include "hunt/evidence.h"
#include "hunt/import/input.h"

#include <chrono>
#include <optional>

namespace poolkd::hunt::import {

/// Reads one format. Gives times only where the evidence states them.
class Reader : public SnapshotSource {
  public:
    [[nodiscard]] const std::vector<std::string>& notes() const override { return notes_; }
    /// What the format itself says of the time between its snapshots.
    [[nodiscard]] virtual std::optional<std::chrono::milliseconds> own_interval() const { return std::nullopt; }

  protected:
    std::vector<std::string> notes_;
};

/// Makes a snapshot that was used before an empty one, keeping the memory of its rows.
void clear(Snapshot& snapshot);

} // namespace poolkd::hunt::import
