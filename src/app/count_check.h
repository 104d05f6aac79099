#pragma once

#include <CLI/CLI.hpp>

#include <cstddef>

namespace poolkd::app {

/// For options that count: a whole number from `least` on. CLI11's own checks tell the limits of a double.
[[nodiscard]] CLI::Validator count_from(std::size_t least);

} // namespace poolkd::app
