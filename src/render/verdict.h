#pragma once

#include "hunt/verdict.h"
#include "render/chart.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>

namespace poolkd::render {

struct VerdictView {
    bool all = false;      ///< every tag, not only those that leak or grow
    std::size_t rows = 20; ///< tags at most; 0: no bound
    ChartStyle style = ChartStyle::unicode;
};

/// The report for people, 100 columns wide.
[[nodiscard]] std::string verdict_text(const hunt::Report& report, const VerdictView& view);

/// The report for programs: every tag, or the first `rows` of them; 0: all (docs/json.md).
[[nodiscard]] nlohmann::json verdict_json(const hunt::Report& report, std::size_t rows = 0);

/// A line of names, then a line a tag, with the names of the JSON rows.
[[nodiscard]] std::string verdict_csv(const hunt::Report& report, std::size_t rows = 0);

} // namespace poolkd::render
