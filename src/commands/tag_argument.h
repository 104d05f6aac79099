#pragma once

#include "base/tag.h"
#include "debugger/session.h"

namespace poolkd::commands {

/// What 'xyzw' is: kd's constant, whose first character is the highest byte, or the tag's characters in memory order.
enum class SingleQuotes { constant, characters };

/// A word of the user as a tag, as `parse_tag` takes it, or an expression (@$t0, in parentheses), or a symbol
/// (nt!PoolHitTag), which is read from the target.
Result<PoolTag> tag_argument(debugger::Session& session, debugger::Arguments& arguments, SingleQuotes quotes);

/// The tag of a word with an escape (A\x22b), for commands that take patterns, too; nothing for other words.
[[nodiscard]] std::optional<PoolTag> escaped_tag(std::string_view word);

} // namespace poolkd::commands
