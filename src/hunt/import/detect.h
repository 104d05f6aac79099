#pragma once

#include "hunt/import/input.h"

#include <string>

namespace poolkd::hunt::import {

enum class Format { poolmon, poolused, csv, json, series };

/// Tells the format by the content. Kind `malformed` names the formats and shows the first line.
Result<Format> detect_format(const Input& input);

} // namespace poolkd::hunt::import
