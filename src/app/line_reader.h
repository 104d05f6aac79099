#pragma once

#include "base/work.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd::app {

/// What a read gave.
struct InputLine {
    enum class Kind { line, interrupted, end } kind = Kind::end;
    std::string text = {}; ///< without its line end
};

/// Where commands come from.
class LineReader {
  public:
    virtual ~LineReader() = default;
    virtual InputLine read(std::string_view prompt) = 0;
    /// True when a person sees the prompt.
    [[nodiscard]] virtual bool interactive() const = 0;
};

/// Waits until there is something to read from the open file, if only its end. False: a signal ends the session.
[[nodiscard]] bool wait_for_input(int file, const Work& work);

/// A pipe or file, line by line; prompts are not shown.
class StreamReader final : public LineReader {
  public:
    /// Of an open file, which stays open.
    StreamReader(int file, const Work& work) : file_(file), work_(work) {}
    InputLine read(std::string_view prompt) override;
    [[nodiscard]] bool interactive() const override { return false; }

  private:
    bool read_more();

    int file_;
    const Work& work_;
    std::string ahead_; ///< what was read behind the last line
};

/// What could stand at the cursor: `before` is the line up to it. `start` of the answer is where the word begins that
/// the candidates replace.
struct Completions {
    std::size_t start = 0;
    std::vector<std::string> candidates;
};
using Completer = std::function<Completions(std::string_view before)>;

/// A terminal with line editing, history (kept in `history_file` unless empty) and completion on Tab.
[[nodiscard]] std::unique_ptr<LineReader> make_terminal_reader(std::filesystem::path history_file, Completer completer,
                                                               const Work& work);

/// $XDG_STATE_HOME/poolkd/history, or the same below ~/.local/state; empty when there is no home.
[[nodiscard]] std::filesystem::path default_history_file();

} // namespace poolkd::app
