#pragma once

#include "base/error.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace poolkd::debugger {

/// Where the text of commands goes.
class Output {
  public:
    virtual ~Output() = default;
    virtual void write(std::string_view text) = 0;
};

/// Collects the text.
class TextOutput final : public Output {
  public:
    void write(std::string_view text) override { text_ += text; }
    [[nodiscard]] const std::string& text() const { return text_; }
    std::string take() { return std::exchange(text_, {}); }

  private:
    std::string text_;
};

/// Writes to a stream of the C library and flushes it, so that what a pipe shows is never behind.
class StreamOutput final : public Output {
  public:
    explicit StreamOutput(std::FILE* stream) : stream_(stream) {}
    void write(std::string_view text) override;

  private:
    std::FILE* stream_;
};

/// The session's output: everything goes to the console, and to the log file while one is open (`.logopen`), without
/// what would steer a terminal.
class LoggedOutput final : public Output {
  public:
    explicit LoggedOutput(Output& console) : console_(console) {}

    void write(std::string_view text) override;
    /// Text that is on the console already: the prompt and what the user typed.
    void write_log_only(std::string_view text);

    /// From now on the text goes into `text` instead; null: to console and log again. Returns what it went into before.
    std::string* capture_into(std::string* text) { return std::exchange(captured_, text); }

    /// `append` keeps what the file has. Closes the log that was open. Error kind `io`.
    Result<void> open(const std::filesystem::path& file, bool append);
    /// The file that was closed; empty when none was open.
    std::string close();
    [[nodiscard]] const std::string& file() const { return file_; }

  private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    Output& console_;
    std::string* captured_ = nullptr;
    std::unique_ptr<std::FILE, Close> log_;
    std::string file_;
};

} // namespace poolkd::debugger
