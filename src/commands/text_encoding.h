#pragma once

#include "base/bytes.h"

#include <string_view>

namespace poolkd::commands {

/// The bytes of a text as they are.
[[nodiscard]] ByteVector text_bytes(std::string_view text);
/// UTF-8 as UTF-16LE; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] ByteVector utf16_bytes(std::string_view utf8);

} // namespace poolkd::commands
