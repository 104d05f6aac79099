#include "app/file_work.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace poolkd::app {

namespace {

void show_progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
    const std::string text = total != 0 ? fmt::format("\r{}: {} %\x1b[K", what, done * 100 / total)
                                        : fmt::format("\r{}: {}\x1b[K", what, done);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

Work::Report sink() {
    if (isatty(STDERR_FILENO) == 0) return {};
    return show_progress;
}

} // namespace

FileWork::FileWork() : work_(sink()), interrupts_(work_) {}

void clear_progress(Work& work) {
    if (!work.reported()) return;
    std::fputs("\r\x1b[K", stderr);
    work.restart();
}

} // namespace poolkd::app
