#include "app/sampling_progress.h"

#include "base/duration.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace poolkd::app {

using namespace std::chrono_literals;

SamplingProgress::SamplingProgress(hunt::LiveSource& source, hunt::SamplePlan plan)
    : source_(source), plan_(std::move(plan)), begun_(std::chrono::steady_clock::now()), due_(begun_ + 2s) {
    if (isatty(STDERR_FILENO) == 0) return;
    source_.on_tick([this] {
        show();
        return false;
    });
}

SamplingProgress::~SamplingProgress() {
    source_.on_tick({});
    if (shown_) std::fputs("\r\x1b[K", stderr);
}

void SamplingProgress::show() {
    const auto now = std::chrono::steady_clock::now();
    if (now < due_) return;
    due_ = now + 500ms;
    shown_ = true;
    std::string text = fmt::format("\r{}", source_.cost().snapshots);
    if (plan_.count) text += fmt::format(" of {}", *plan_.count);
    text += fmt::format(" snapshots, {}", duration_text(std::chrono::floor<std::chrono::seconds>(now - begun_)));
    if (plan_.period) text += fmt::format(" of {}", duration_text(*plan_.period));
    text += " (Ctrl-C: answer from these)\x1b[K";
    std::fputs(text.c_str(), stderr);
}

} // namespace poolkd::app
