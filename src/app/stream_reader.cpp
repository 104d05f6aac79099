#include "app/line_reader.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace poolkd::app {

namespace {

/// A signal wakes the wait; one that came just before it began is noticed after this time.
constexpr int look_again_ms = 500;

} // namespace

bool wait_for_input(int file, const Work& work) {
    pollfd wanted{.fd = file, .events = POLLIN, .revents = 0};
    while (!work.end_requested()) {
        const int ready = poll(&wanted, 1, look_again_ms);
        if (ready > 0 || (ready < 0 && errno != EINTR)) return true; // an error is told by the read
    }
    return false;
}

bool StreamReader::read_more() {
    char piece[4096];
    ssize_t length = -1;
    do {
        if (!wait_for_input(file_, work_)) return false;
        length = ::read(file_, piece, sizeof piece);
    } while (length < 0 && (errno == EINTR || errno == EAGAIN));
    if (length <= 0) return false;
    ahead_.append(piece, static_cast<std::size_t>(length));
    return true;
}

InputLine StreamReader::read(std::string_view) {
    std::size_t end = std::string::npos;
    std::size_t seen = 0;
    while ((end = ahead_.find('\n', seen)) == std::string::npos) {
        seen = ahead_.size();
        if (read_more()) continue;
        if (work_.end_requested() || ahead_.empty()) return {InputLine::Kind::end};
        end = ahead_.size(); // a last line without its end
        break;
    }
    std::string line = ahead_.substr(0, end);
    ahead_.erase(0, end + 1);
    while (!line.empty() && line.back() == '\r')
        line.pop_back();
    return {InputLine::Kind::line, std::move(line)};
}

std::filesystem::path default_history_file() {
    // The environment is read at the start, before anything else runs.
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state) // NOLINT(concurrency-mt-unsafe)
        return std::filesystem::path(state) / "poolkd" / "history";
    if (const char* home = std::getenv("HOME"); home && *home) // NOLINT(concurrency-mt-unsafe)
        return std::filesystem::path(home) / ".local" / "state" / "poolkd" / "history";
    return {};
}

} // namespace poolkd::app
