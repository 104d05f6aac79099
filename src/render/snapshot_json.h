#pragma once

#include "hunt/snapshot.h"

#include <nlohmann/json.hpp>

namespace poolkd::render {

/// What a snapshot states beside its rows: `time` (ISO), `uptime_seconds`, `machine`, `memory`, `coverage`, … as our
/// JSON reader takes it back.
[[nodiscard]] nlohmann::json snapshot_facts_json(const hunt::Snapshot& snapshot);
/// `tag`, `value` (the tag as a number), `type`, `allocs`, `frees`, `bytes`.
[[nodiscard]] nlohmann::json counts_json(const hunt::TagCounts& counts);

} // namespace poolkd::render
