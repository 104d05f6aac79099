#pragma once

#include "render/poolmon.h"

#include <string>
#include <vector>

namespace poolkd::app {

/// The user's terminal as a screen of lines: the alternate screen, keys as they are pressed, no cursor. However the
/// program ends (a crash and a signal too), the terminal is as it was. Ctrl-C and Ctrl-Z stay signals. One at a time.
class Screen {
  public:
    /// Both ends must be terminals (`available`).
    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    /// Standard output is a terminal that understands what we write, and standard input one too.
    [[nodiscard]] static bool available();

    [[nodiscard]] render::ScreenSize size() const;
    /// Shows the lines; only those that differ from what is there are written, in one piece.
    void show(const std::vector<render::ScreenLine>& lines);
    /// What was typed since; never waits.
    [[nodiscard]] std::string read_keys();
    /// Does what signals asked for since the last call: gives the terminal back and rests when the user suspended the
    /// program (Ctrl-Z). True: the screen must be shown again, its size may have changed.
    bool serve_signals();

  private:
    void enter();
    void leave();

    std::vector<render::ScreenLine> shown_;
};

} // namespace poolkd::app
