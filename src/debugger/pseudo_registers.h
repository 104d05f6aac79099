#pragma once

#include "base/error.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace poolkd::debugger {

class Session;

/// Value of an automatic pseudo-register that is read from the target and its stop: `$ip`, `$retreg`, `$thread`,
/// `$tid`,
/// `$ea`, `$bp3`, `$exr_code`, … (commands.md 4.4). `lower` is the name in lower case. Nothing: there is none of that
/// name, or it has no value now (`$ea` of an instruction without a memory operand).
[[nodiscard]] Result<std::optional<std::uint64_t>> automatic_register(Session& session, std::string_view lower);

} // namespace poolkd::debugger
