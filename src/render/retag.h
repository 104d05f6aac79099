#pragma once

#include "control/tag_site.h"
#include "hunt/retag.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace poolkd::render {

struct RetagView {
    bool force = false;
    bool verbose = false; ///< each reason by itself; else those of a kind together
};

/// What was done to which site, or would be: old tags, new tags, what stays and why.
[[nodiscard]] std::string retag_plan_text(const hunt::RetagPlan& plan, const RetagView& view, unsigned pointer_size);
/// `written` are the journal's numbers; empty: nothing was written.
[[nodiscard]] nlohmann::json retag_plan_json(const hunt::RetagPlan& plan, bool force,
                                             const std::vector<std::uint32_t>& written);

/// What each site holds by the kernel's counters.
[[nodiscard]] std::string retag_state_text(const Answer<std::vector<hunt::RetagState>>& states);
[[nodiscard]] nlohmann::json retag_state_json(const Answer<std::vector<hunt::RetagState>>& states);

/// What went back.
[[nodiscard]] std::string retag_undo_text(const control::UndoOutcome& outcome);
[[nodiscard]] nlohmann::json retag_undo_json(const control::UndoOutcome& outcome);
/// What stays, why, and what to do.
[[nodiscard]] std::string retag_kept_text(const control::UndoOutcome& outcome);

} // namespace poolkd::render
