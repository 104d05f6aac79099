#pragma once

#include "app/options.h"
#include "debugger/session.h"

namespace poolkd::app {

/// Opens the memory image that the options name, finds the kernel in it, and attaches the session to it, with a banner
/// that tells what kind of image it is and what is odd about it. Errors: the file's or the search's; nothing of the
/// session has changed then.
Result<void> open_image_session(debugger::Session& session, const Options& options);

} // namespace poolkd::app
