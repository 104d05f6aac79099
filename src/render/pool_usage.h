#pragma once

#include "pool/usage.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace poolkd::render {

enum class UsageSort { tag, nonpaged_bytes, paged_bytes };

struct UsageView {
    UsageSort sort = UsageSort::tag;
    bool verbose = false;    ///< allocations, frees and difference instead of the difference alone
    std::size_t rows = 0;    ///< at most; 0: all
    std::string tag_pattern; ///< empty: all tags
};

/// Rows in the view's order, without tags that hold nothing (verbose: that were never used).
std::vector<pool::TagUsage> select_usage(const pool::UsageTable& table, const UsageView& view);

/// `!poolused` as kd prints it (commands.md 12.2); columns widen when a number needs it.
std::string usage_text(const Answer<pool::UsageTable>& usage, const UsageView& view);
nlohmann::json usage_json(const Answer<pool::UsageTable>& usage, const UsageView& view);

} // namespace poolkd::render
