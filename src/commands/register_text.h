#pragma once

#include "base/machine.h"

#include <optional>
#include <string>
#include <string_view>

namespace poolkd::commands {

/// All registers in kd's layout for the machine: general registers in three columns, flags, segments (commands.md 7).
[[nodiscard]] std::string all_registers_text(const RegisterFile& registers);

/// "rax=0000000000000001", "al=01", "zf=0": hex digits as wide as the register; nothing for an unknown name.
[[nodiscard]] std::optional<std::string> register_text(const RegisterFile& registers, std::string_view name);

/// "nv up ei pl nz na po nc" of an x86 flags register.
[[nodiscard]] std::string flags_text(std::uint64_t flags);

} // namespace poolkd::commands
