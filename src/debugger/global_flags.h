#pragma once

#include "base/error.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace poolkd::debugger {

/// One bit of NtGlobalFlag (commands.md section 14; names as the public GFlags documentation lists them).
struct GlobalFlag {
    std::uint32_t bit;
    std::string_view abbreviation; ///< "ptg"
    std::string_view description;  ///< "Enable pool tagging"
    bool at_boot_only = false;     ///< the kernel looks at it only while it starts
};

[[nodiscard]] std::span<const GlobalFlag> global_flags();
/// Null for an unknown name; case does not matter.
[[nodiscard]] const GlobalFlag* find_global_flag(std::string_view abbreviation);

/// Applies one word to `flags`: `+ptg`, `-ptg`, or a hex number with or without `0x` and with an optional sign
/// (`+` when there is none). Error kind `usage` for anything else; a name needs its sign.
[[nodiscard]] Result<std::uint32_t> apply_global_flag(std::uint32_t flags, std::string_view word);

/// One indented line for each flag that is set: "    ptg - Enable pool tagging".
[[nodiscard]] std::string global_flag_lines(std::uint32_t flags);

} // namespace poolkd::debugger
