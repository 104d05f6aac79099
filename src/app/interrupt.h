#pragma once

#include "base/work.h"

namespace poolkd::app {

/// While it lives, SIGINT (Ctrl-C) asks `work` to stop and does nothing else: a running target is broken into, a long
/// command ends, the program goes on. One at a time.
class InterruptHandler {
  public:
    enum class Signals {
        ctrl_c,
        all_endings, ///< also SIGTERM and SIGHUP: a target that was stopped for a look must not be left so
    };
    explicit InterruptHandler(Work& work, Signals signals = Signals::ctrl_c);
    ~InterruptHandler();
    InterruptHandler(const InterruptHandler&) = delete;
    InterruptHandler& operator=(const InterruptHandler&) = delete;

  private:
    Signals signals_;
};

} // namespace poolkd::app
