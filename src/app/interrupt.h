#pragma once

#include "base/work.h"

namespace poolkd::app {

/// While it lives, SIGINT (Ctrl-C) asks `work` to stop and does nothing else: a running target is broken into, a long
/// command ends, the program goes on. One at a time.
class InterruptHandler {
  public:
    explicit InterruptHandler(Work& work);
    ~InterruptHandler();
    InterruptHandler(const InterruptHandler&) = delete;
    InterruptHandler& operator=(const InterruptHandler&) = delete;
};

} // namespace poolkd::app
