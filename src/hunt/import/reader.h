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

    /// The reader itself puts its snapshots into the order of time, and tells what is to be told of its dates.
    [[nodiscard]] virtual bool in_order_of_time() const { return false; }
    /// What the dates that were read so far say of their order.
    [[nodiscard]] const DateOrders& dates() const { return dates_; }

  protected:
    DateOrders dates_;
    std::vector<std::string> notes_;
};

/// So many rows, of both pools, that they are not the top of a table but all of it: a machine has hundreds of tags, a
/// window shows some fifty.
constexpr std::size_t rows_of_a_whole_table = 200;
[[nodiscard]] bool looks_whole(const std::vector<TagCounts>& rows);

/// Makes a snapshot that was used before an empty one, keeping the memory of its rows.
void clear(Snapshot& snapshot);

} // namespace poolkd::hunt::import
