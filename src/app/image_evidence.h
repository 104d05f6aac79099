#pragma once

#include "hunt/evidence.h"

#include <optional>
#include <string>

namespace poolkd::app {

/// Lets evidence be a memory image: its tag tables are one snapshot, read as the debugger reads them, with the symbols
/// of `symbol_path` (else those of the environment). Recognised as by `-z`.
[[nodiscard]] hunt::OpenOther image_evidence(std::optional<std::string> symbol_path);

} // namespace poolkd::app
