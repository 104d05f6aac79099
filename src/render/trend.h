#pragma once

#include "hunt/trend.h"
#include "render/chart.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace poolkd::render {

enum class TrendSort { growth, bytes, name };

struct TrendView {
    TrendSort sort = TrendSort::growth;
    std::size_t rows = 20; ///< at most; 0: all
    ChartStyle style = ChartStyle::unicode;

    static constexpr std::size_t most_charts = 3; ///< so many tags get a chart of their own, more share a table
};

/// The tags in the view's order, as many as it wants.
[[nodiscard]] std::vector<const hunt::TagTrend*> select_trends(const hunt::Trend& trend, const TrendView& view);

/// A table with a small chart a tag; for few tags a chart with axes each. 100 columns wide.
[[nodiscard]] std::string trend_text(const hunt::Trend& trend, const TrendView& view,
                                     const std::vector<std::string>& notes);
/// docs/json.md.
[[nodiscard]] nlohmann::json trend_json(const hunt::Trend& trend, const TrendView& view,
                                        const std::vector<std::string>& notes);

} // namespace poolkd::render
