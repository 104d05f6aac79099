#pragma once

#include "base/bytes.h"
#include "base/error.h"

#include <cstdint>
#include <string>

namespace poolkd::symbols {

/// The most text that a symbol table may have; the largest known kernel's has 7 MB.
inline constexpr std::uint64_t max_table_bytes = 128u << 20;

/// The text of a file that is packed with xz or gzip, or plain, as its first bytes tell. `name` is for messages.
/// Errors: `malformed` for damaged or truncated data and for more than `limit` bytes of text.
Result<std::string> unpack_text(Bytes file, const std::string& name, std::uint64_t limit = max_table_bytes);

/// The same for a file on disk. Error `io` when it cannot be read.
Result<std::string> read_packed_text(const std::string& path, std::uint64_t limit = max_table_bytes);

} // namespace poolkd::symbols
