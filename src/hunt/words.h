#pragma once

#include "hunt/snapshot.h"

#include <span>
#include <string>
#include <string_view>

namespace poolkd::hunt {

/// A tag within a sentence: as it is, in quotes when it holds a blank.
[[nodiscard]] std::string tag_word(PoolTag tag);
/// The tag as commands of the debugger take it: in double quotes where it holds a blank, `\x01` for what nobody can
/// type.
[[nodiscard]] std::string tag_argument_word(PoolTag tag);
/// "paged", "nonpaged"
[[nodiscard]] std::string_view pool_word(PoolKind kind);
/// "a, b, c", and " and 4 more" when there are more than `shown`.
[[nodiscard]] std::string names_text(std::span<const std::string> names, std::size_t shown);

/// "0.16 %", "42 %".
[[nodiscard]] std::string percent(double part);
/// "by chance once in 20000"
[[nodiscard]] std::string chance_text(double chance);
/// "3.5 days", "21.5 hours", "12 minutes", "30 seconds"
[[nodiscard]] std::string hours_text(double hours);

} // namespace poolkd::hunt
