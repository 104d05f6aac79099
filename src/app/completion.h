#pragma once

#include "app/line_reader.h"
#include "debugger/session.h"

namespace poolkd::app {

/// Candidates for the word before the cursor: command names at the start of a command, elsewhere modules and, behind
/// `module!`, that module's symbols (at most `most_candidates`). Loads no symbols but of the module that is named.
[[nodiscard]] Completions complete(debugger::Session& session, std::string_view before);

inline constexpr std::size_t most_candidates = 1000;

} // namespace poolkd::app
