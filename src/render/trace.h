#pragma once

#include "hunt/trace.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace poolkd::render {

struct TraceView {
    std::size_t stacks = 10;   ///< at most; 0: all
    unsigned pointer_size = 8; ///< of the target, bytes
};

/// What there is so far, for a line of progress that ends with a number: "12 allocations, 9 frees, 5 out; hits".
[[nodiscard]] std::string trace_progress_text(const hunt::TraceReport& report);
/// What came of a trace, for people: its sums, what it cost, then the stacks, most outstanding blocks first.
[[nodiscard]] std::string trace_text(const hunt::TraceReport& report, const TraceView& view);
/// All of it; `most_stacks` 0: all stacks.
[[nodiscard]] nlohmann::json trace_json(const hunt::TraceReport& report, std::size_t most_stacks = 0);

} // namespace poolkd::render
