#pragma once

#include "debugger/session.h"

#include <string>
#include <string_view>

namespace poolkd::commands {

/// The kinds of text in a target's memory that `.printf` and `as` know by letters: `ma` ASCII and `mu` UTF-16 up to a
/// NUL, `msa` an ANSI_STRING and `msu` a UNICODE_STRING.
[[nodiscard]] bool is_target_text(std::string_view letters);

/// Reads one of at most `target_text_limit` characters; a longer one is cut there. What cannot be shown is '.' or '?'.
/// Errors: kind `unreadable`.
[[nodiscard]] Result<std::string> read_target_text(debugger::Session& session, std::string_view letters,
                                                   VirtAddr address);

inline constexpr std::size_t target_text_limit = 4096;

} // namespace poolkd::commands
