#pragma once

#include "base/coverage.h"
#include "code/stack.h"
#include "code/stack_names.h"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace poolkd::render {

/// Columns of a stack, as the letters behind `k` choose them (commands.md section 8).
struct StackView {
    bool child_sp = true;         ///< k, kv; not kb. x86 always shows its ChildEBP
    bool arguments = false;       ///< kb, kv: the home slots, on x86 the words of the arguments
    bool notes = false;           ///< kv: trap frames, on x86 also the frame records
    bool names_only = false;      ///< kc
    bool numbers = false;         ///< kn
    bool sizes = false;           ///< kf
    bool parameter_lines = false; ///< kP: parameters, where the names have them, on lines of their own
    bool lines = false;           ///< source lines, where the symbols have them
    bool own_count = false;       ///< k 5: who chose how many frames is not told that there are more
};

/// kd's layout for the trace's machine. Every frame of the trace has a name. An end that is not the stack's own is told
/// in a last line.
std::string stack_text(const code::StackTrace& trace, std::span<const code::FrameName> names, const StackView& view);

nlohmann::json stack_json(const Answer<code::StackTrace>& answer, std::span<const code::FrameName> names);

} // namespace poolkd::render
