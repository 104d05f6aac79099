#pragma once

#include "hunt/difference.h"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>

namespace poolkd::render {

struct DifferenceView {
    std::size_t rows = 20; ///< at most of those that grew and of those that shrank together; 0: no bound
    bool all = false;      ///< also tags that did not change
};

/// Two snapshots side by side, the tag that grew most first; 100 columns wide.
[[nodiscard]] std::string difference_text(const hunt::Difference& difference, const DifferenceView& view);
/// Every tag, or the first `rows` of them; 0: all (docs/json.md).
[[nodiscard]] nlohmann::json difference_json(const hunt::Difference& difference, std::size_t rows = 0);
[[nodiscard]] std::string difference_csv(const hunt::Difference& difference, std::size_t rows = 0);

} // namespace poolkd::render
