#pragma once

#include "hunt/import/reader.h"

namespace poolkd::hunt::import {

/// JSON: objects with an array `tags` are snapshots (ours, and answers of `!poolused --json`), other objects are rows
/// as those of a CSV table. Objects stand one after the other or in an array.
Result<std::unique_ptr<Reader>> open_json(const Input& input);

} // namespace poolkd::hunt::import
