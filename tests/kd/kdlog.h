#pragma once

#include "base/bytes.h"

#include <optional>
#include <string>
#include <vector>

namespace poolkd::kd::test {

/// One piece of a recorded conversation.
struct LogRecord {
    bool from_target = true;
    double seconds = 0;
    ByteVector bytes;
};

/// Reads a gzip file of records: `<` or `>`, seconds, blank, length, newline, that many bytes, newline.
/// Nothing: there is no such file.
std::optional<std::vector<LogRecord>> read_kdlog(const std::string& path);

} // namespace poolkd::kd::test
