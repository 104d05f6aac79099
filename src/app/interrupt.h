#pragma once

#include "base/work.h"

#include <csignal>

namespace poolkd::app {

/// While it lives, SIGINT (Ctrl-C) asks `work` to stop and does nothing else: a running target is broken into, a long
/// command ends, the program goes on. One at a time.
class InterruptHandler {
  public:
    enum class Signals {
        ctrl_c,
        all_endings, ///< SIGTERM and SIGHUP ask for the end: a target must be put in order before it is left
    };
    explicit InterruptHandler(Work& work, Signals signals = Signals::ctrl_c);
    ~InterruptHandler();
    /// Whether Ctrl-C asks for the end, too: as long as there is nothing yet that a stop could be told of. What is
    /// under way may answer a stop and go on; it cannot forget the end.
    void ctrl_c_ends(bool ends);
    InterruptHandler(const InterruptHandler&) = delete;
    InterruptHandler& operator=(const InterruptHandler&) = delete;

  private:
    struct Handled {
        int number;
        struct sigaction before;
    };
    Handled handled_[3] = {{SIGINT, {}}, {SIGTERM, {}}, {SIGHUP, {}}};
    std::size_t count_;
};

} // namespace poolkd::app
