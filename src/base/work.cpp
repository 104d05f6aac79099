#include "base/work.h"

namespace poolkd {

using namespace std::chrono_literals;

void Work::progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (!report_) return;
    auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + 500ms;
    reported_ = true;
    report_(what, done, total);
}

void Work::restart() {
    reported_ = false;
    next_ = std::chrono::steady_clock::now() + 2000ms;
}

} // namespace poolkd
