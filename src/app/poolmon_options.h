#pragma once

#include "app/live_session.h"
#include "render/poolmon.h"

#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace poolkd::app {

/// The words behind `poolkd poolmon`: PoolMon's switches in both spellings, and ours for the target.
struct PoolmonOptions {
    TargetArguments target;
    SampleArguments sample;
    render::PoolmonView view;
    std::optional<std::filesystem::path> tag_list; ///< of /g
    std::optional<std::filesystem::path> snapshot; ///< of /n
    bool json = false;
    bool help = false;
};

/// Errors: kind `usage` for words that mean nothing, `unsupported` for switches of PoolMon that poolkd does not have.
[[nodiscard]] Result<PoolmonOptions> parse_poolmon_options(std::span<const std::string> words);

/// The text of `/?`.
[[nodiscard]] std::string poolmon_usage_text();

} // namespace poolkd::app
