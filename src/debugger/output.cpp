#include "debugger/output.h"

#include "render/characters.h"

#include <cerrno>
#include <cstring>

namespace poolkd::debugger {

void StreamOutput::write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stream_);
    std::fflush(stream_);
}

void LoggedOutput::write(std::string_view text) {
    if (captured_) {
        *captured_ += text;
        return;
    }
    const std::string shown = render::terminal_text(text);
    console_.write(shown);
    write_log_only(shown);
}

void LoggedOutput::write_log_only(std::string_view text) {
    if (!log_) return;
    std::fwrite(text.data(), 1, text.size(), log_.get());
    std::fflush(log_.get());
}

Result<void> LoggedOutput::open(const std::filesystem::path& file, bool append) {
    std::unique_ptr<std::FILE, Close> opened(std::fopen(file.c_str(), append ? "a" : "w"));
    if (!opened) return fail(ErrorKind::io, "Unable to open log file '{}': {}", file.string(), std::strerror(errno));
    log_ = std::move(opened);
    file_ = file.string();
    return {};
}

std::string LoggedOutput::close() {
    log_.reset();
    return std::exchange(file_, {});
}

} // namespace poolkd::debugger
