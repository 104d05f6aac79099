#pragma once

#include "nt/kernel.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::nt {

/// A bug check that the kernel is in, or was in when its dump was written.
struct BugCheck {
    std::uint64_t code = 0;
    std::array<std::uint64_t, 4> parameters{};
    bool from_header = false; ///< the dump's header states it; the kernel's own variable says nothing
};

/// KiBugCheckData, by its symbol or by KDBG, else what the header of a dump states. Nothing while there is no bug
/// check, or where it cannot be told. A dump of a system that went on running has the code LIVE_SYSTEM_DUMP (0x161).
[[nodiscard]] std::optional<BugCheck> read_bug_check(Kernel& kernel);

/// "BAD_POOL_CALLER"; empty for a code that is not in the table.
[[nodiscard]] std::string_view bug_check_name(std::uint64_t code);

} // namespace poolkd::nt
