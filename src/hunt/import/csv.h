#pragma once

#include "hunt/import/reader.h"

#include <string_view>

namespace poolkd::hunt::import {

/// Tables with a line of names: ours (`time,tag,type,allocs,frees,bytes`) and those that people make of PoolMon's
/// figures or of SystemPoolTagInformation. Names and separators: docs/formats.md.
Result<std::unique_ptr<Reader>> open_csv(const Input& input);

/// The line names at least a tag and a counter.
[[nodiscard]] bool is_csv_header(std::string_view line);

} // namespace poolkd::hunt::import
