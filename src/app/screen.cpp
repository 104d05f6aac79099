#include "app/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

namespace poolkd::app {

namespace {

// Alternate screen, no cursor, no wrapping at the right edge; and back.
constexpr std::string_view enter_text = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view leave_text = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
// The terminal shows what is between the two at once; one that does not know it ignores them.
constexpr std::string_view begin_frame = "\x1b[?2026h", end_frame = "\x1b[?2026l";

constexpr int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// What the signal handlers need: they cannot be handed an object.
termios terminal_before{};
volatile std::sig_atomic_t active = 0;
volatile std::sig_atomic_t resized = 0, suspend_asked = 0;

/// Only calls that a signal handler may make.
void write_all(std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = write(STDOUT_FILENO, text.data(), text.size());
        if (count <= 0) return; // a terminal that is gone; the program ends by the signal that says so
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

void restore_terminal() {
    if (!active) return;
    active = 0;
    write_all(leave_text);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
}

void on_crash(int number) {
    restore_terminal();
    raise(number); // its own handler is back (SA_RESETHAND)
}

void on_resize(int) {
    resized = 1;
}

void on_suspend(int) {
    suspend_asked = 1;
}

void handle(int number, void (*handler)(int), int flags) {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(number, &action, nullptr);
}

std::string_view style_text(render::ScreenLine::Style style) {
    using enum render::ScreenLine::Style;
    switch (style) {
    case header: return "\x1b[7m";
    case changed: return "\x1b[1m";
    case leaking: return "\x1b[31m";
    case leaking_changed: return "\x1b[1;31m";
    case notice: return "\x1b[33m";
    case plain: break;
    }
    return "";
}

} // namespace

bool Screen::available() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment
    const char* terminal = std::getenv("TERM");
    const bool dumb = !terminal || std::string_view(terminal) == "dumb" || *terminal == '\0';
    return !dumb && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

Screen::Screen() {
    tcgetattr(STDIN_FILENO, &terminal_before);
    for (int number : crashes)
        handle(number, on_crash, static_cast<int>(SA_RESETHAND));
    handle(SIGWINCH, on_resize, SA_RESTART);
    handle(SIGTSTP, on_suspend, SA_RESTART);
    enter();
}

Screen::~Screen() {
    leave();
    for (int number : crashes)
        handle(number, SIG_DFL, 0);
    handle(SIGWINCH, SIG_DFL, 0);
    handle(SIGTSTP, SIG_DFL, 0);
}

void Screen::enter() {
    termios raw = terminal_before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    active = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    write_all(enter_text);
    shown_.clear();
}

void Screen::leave() {
    restore_terminal();
}

render::ScreenSize Screen::size() const {
    winsize window{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0) return {};
    return {.columns = window.ws_col, .rows = window.ws_row};
}

void Screen::show(const std::vector<render::ScreenLine>& lines) {
    std::string text(begin_frame);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (i < shown_.size() && shown_[i] == lines[i]) continue;
        const std::string_view style = style_text(lines[i].style);
        text += fmt::format("\x1b[{};1H{}{}\x1b[0m\x1b[K", i + 1, style, lines[i].text);
    }
    if (lines.size() < shown_.size()) text += fmt::format("\x1b[{};1H\x1b[J", lines.size() + 1);
    text += end_frame;
    shown_ = lines;
    if (text.size() > begin_frame.size() + end_frame.size()) write_all(text);
}

std::string Screen::read_keys() {
    std::string keys;
    char buffer[64];
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    while (keys.size() < 4096 && poll(&input, 1, 0) > 0) {
        const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
        if (count <= 0) break;
        keys.append(buffer, static_cast<std::size_t>(count));
    }
    return keys;
}

bool Screen::serve_signals() {
    bool again = false;
    if (suspend_asked) {
        suspend_asked = 0;
        leave();
        raise(SIGSTOP); // here, where the target runs: a program that rests in the middle of a read would hold it
        tcgetattr(STDIN_FILENO, &terminal_before);
        enter();
        again = true;
    }
    if (resized) {
        resized = 0;
        write_all("\x1b[2J");
        shown_.clear();
        again = true;
    }
    return again;
}

} // namespace poolkd::app
