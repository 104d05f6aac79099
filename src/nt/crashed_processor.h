#pragma once

#include "target/dump_target.h"

#include <cstdint>
#include <optional>

namespace poolkd::nt {

/// The processor whose record has the stack and the place of the CONTEXT in a crash dump's header, which does not say
/// whose it is. Nothing without such a header, or when no processor's record is that one.
std::optional<std::uint32_t> crashed_processor(const target::DumpTarget& target);

} // namespace poolkd::nt
