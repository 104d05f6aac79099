#pragma once

#include "base/tag.h"

#include <string>
#include <vector>

namespace poolkd::render {

/// One line of CSV (RFC 4180, with a bare newline): quotes where a comma, a quote, a line break or a blank at an end
/// needs them.
[[nodiscard]] std::string csv_line(const std::vector<std::string>& fields);

/// A tag as our CSV reader takes it back: its text, or its number when it holds bytes that cannot be printed.
[[nodiscard]] std::string csv_tag(PoolTag tag);

} // namespace poolkd::render
