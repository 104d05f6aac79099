#pragma once

#include "hunt/verdict.h"

#include <string>

namespace poolkd::render {

/// The answer in a sentence or two: what leaks, or that nothing does, or that it cannot be told, and how sure that is.
[[nodiscard]] std::string headline(const hunt::Report& report);

/// "One leak: WCsc + NtFC + IoNm grow in 1 : 1 : 1, 4.0 GB together. Likely owner: WCsc (wcifs.sys, filter context),
/// confidence 85 %. …"
[[nodiscard]] std::string group_text(const hunt::Report& report, const hunt::LeakGroup& group);

/// The row that is answerable for a leaking or growing one: the owner of its group, else the row itself. Null for
/// others.
[[nodiscard]] const hunt::TagVerdict* owner_of(const hunt::Report& report, const hunt::TagVerdict& row);

} // namespace poolkd::render
