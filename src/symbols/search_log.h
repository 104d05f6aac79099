#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

namespace poolkd::symbols {

/// What a search tried, a line a try, for `!sym noisy`. Lines begin as kd's do: DBGHELP for files, SYMSRV for stores
/// and servers.
class SearchLog {
  public:
    SearchLog() = default;
    /// Each line also goes to `sink` at once: a search that waits for a server is told while it goes on.
    explicit SearchLog(std::function<void(const std::string&)> sink) : sink_(std::move(sink)) {}

    void add(std::string line) {
        if (sink_) sink_(line);
        lines_.push_back(std::move(line));
    }
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  private:
    std::function<void(const std::string&)> sink_;
    std::vector<std::string> lines_;
};

} // namespace poolkd::symbols
