#pragma once

#include "base/error.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace poolkd::debugger {

/// The largest script that is read.
inline constexpr std::uintmax_t script_bytes_limit = 4u << 20;

/// The text of a script, its lines ended by '\n'. `name` is a path; one without a folder that is not in the current
/// folder is looked for in `folders`, in their order. Error kind `io`: there is no such file, or no text is in it.
[[nodiscard]] Result<std::string> read_script(std::string_view name, std::span<const std::filesystem::path> folders);

} // namespace poolkd::debugger
