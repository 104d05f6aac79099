#pragma once

#include "base/error.h"
#include "base/tag.h"

#include <string>
#include <string_view>

namespace poolkd {

/// A tag as a user writes it: one to four characters in memory order, padded with blanks, of which `\x01` is one, in
/// quotes of either kind or not; or a number, as 0x and up to eight digits or exactly eight digits. Errors: kind
/// `usage`, a sentence that says what is taken.
Result<PoolTag> parse_tag(std::string_view word);

/// The tag so that `parse_tag` takes it, in quotes or not: its characters with `\x01` for those that cannot be typed,
/// for quotes and backslashes, and for the first one of what would be a number.
[[nodiscard]] std::string typed_tag(PoolTag tag);

} // namespace poolkd
