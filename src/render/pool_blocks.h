#pragma once

#include "pool/blocks.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace poolkd::render {

/// "Abc" of a stored tag: the protected bit is not shown in the characters but behind them.
std::string stored_tag_text(PoolTag tag);

/// A line of `!poolfind` in the classic layout (commands.md 12.3); big blocks in the newer one.
std::string found_block_line(const pool::PoolBlock& block, unsigned pointer_size);
/// The heading of a part of the search.
std::string search_heading(const std::optional<pool::PoolRange>& range, const pool::WalkSummary& summary,
                           std::string_view tags, unsigned pointer_size);
nlohmann::json block_json(const pool::PoolBlock& block);

/// A line of `!pool` (commands.md 12.4); `marked` puts the stars.
std::string page_block_line(const pool::PoolBlock& block, bool marked, unsigned pointer_size);

} // namespace poolkd::render
