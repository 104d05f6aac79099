#pragma once

#include "debugger/session.h"
#include "hunt/evidence.h"

#include <optional>
#include <string>

namespace poolkd::app {

/// Lets evidence be a memory image: its tag tables are one snapshot, read as the debugger reads them, with the symbols
/// of `symbol_path` (else those of the environment). Recognised as by `-z`.
[[nodiscard]] hunt::OpenOther image_evidence(std::optional<std::string> symbol_path);

/// The same of an image that a session has open. Error `unsupported` when it is a live target.
[[nodiscard]] Result<std::unique_ptr<hunt::SnapshotSource>> image_source(debugger::Session& session,
                                                                         const std::filesystem::path& file, Work& work);

} // namespace poolkd::app
