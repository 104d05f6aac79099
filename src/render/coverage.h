#pragma once

#include "base/coverage.h"

#include <nlohmann/json.hpp>

namespace poolkd::render {

/// {"complete": true, "bytes_read": n, "bytes_missing": n, "sentence": "…", "gaps": [{"reason", "first", "bytes"}]}
nlohmann::json to_json(const Coverage& coverage);

/// Addresses in JSON are strings, "0xfffff80001000000": numbers of 64 bits do not survive most readers.
std::string json_address(VirtAddr address);

} // namespace poolkd::render
