#pragma once

#include "debugger/session.h"

#include <string>

namespace poolkd::commands {

/// Where a processor stands, as kd shows it at a stop and under `r`: the symbol on a line of its own, then the
/// instruction: address, bytes, mnemonic, operands. What cannot be read or decoded shows as `???`. With `registers`,
/// those of the processor that stands there, also what the instruction is about to touch or whether it will jump.
[[nodiscard]] std::string location_text(debugger::Session& session, VirtAddr ip,
                                        const RegisterFile* registers = nullptr);

} // namespace poolkd::commands
