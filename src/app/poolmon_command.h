#pragma once

#include <span>
#include <string>

namespace poolkd::app {

/// `poolkd poolmon`: PoolMon's table over a live target. Reads its words itself: PoolMon's switches begin with `/`.
/// Gives the exit code.
int run_poolmon(std::span<const std::string> words);

} // namespace poolkd::app
