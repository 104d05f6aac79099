#pragma once

#include "base/tag.h"
#include "debugger/session.h"

namespace poolkd::commands {

/// A word of the user as a tag: 'xyzw' and numbers are values, anything else the tag's characters in memory order, in
/// quotes or not.
Result<PoolTag> tag_argument(debugger::Session& session, debugger::Arguments& arguments);

} // namespace poolkd::commands
