#include "app/line_reader.h"

#include <cstdlib>

namespace poolkd::app {

InputLine StreamReader::read(std::string_view) {
    char* buffer = nullptr;
    std::size_t size = 0;
    ssize_t length = getline(&buffer, &size, stream_);
    std::unique_ptr<char, decltype(&std::free)> owner(buffer, &std::free);
    if (length < 0) return {InputLine::Kind::end};
    std::string line(buffer, static_cast<std::size_t>(length));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
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
