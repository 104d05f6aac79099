#pragma once

#include "debugger/session.h"

#include <string>
#include <string_view>

namespace poolkd::commands {

/// The text of `.printf`: `format` with `\n`, `\t` and the like resolved and its conversions filled with the values
/// that are left in `arguments`. Conversions: those of C for integers (of 32 bits, `%I64x` and `%llx` of 64),
/// characters, texts and floating point, and kd's: `%p` a pointer of the target and `%N` one of this machine, `%ma %mu
/// %msa %msu` a text in the target's memory, `%y` the symbol at an address (`%ly` the same). Values too many are left.
/// Errors: kind `usage` for an unknown conversion or a missing value, and what evaluating and reading give.
[[nodiscard]] Result<std::string> format_values(debugger::Session& session, std::string_view format,
                                                debugger::Arguments& arguments);

} // namespace poolkd::commands
