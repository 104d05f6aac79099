#include "base/coverage.h"

#include <fmt/format.h>

#include <utility>

namespace poolkd {

namespace {
constexpr std::string_view words[gap_reasons] = {"unmapped",  "paged out",     "demand zero",    "not in this image",
                                                 "link lost", "limit reached", "malformed data", "stopped by the user"};
}

std::string_view to_words(GapReason reason) {
    return words[static_cast<std::size_t>(reason)];
}

void Coverage::add_gap(GapReason reason, VirtAddr first, std::uint64_t bytes) {
    auto index = static_cast<std::size_t>(reason);
    missing_ += bytes;
    by_reason_[index] += bytes;
    seen_[index] = true;
    // Neighbouring holes of one kind are one gap, so that a large hole read page by page is told once.
    if (!gaps_.empty() && gaps_.back().reason == reason && gaps_.back().first + gaps_.back().bytes == first) {
        gaps_.back().bytes += bytes;
    } else if (gaps_.size() < kept_gaps) {
        gaps_.push_back({reason, first, bytes});
    }
}

void Coverage::merge(const Coverage& other) {
    read_ += other.read_;
    missing_ += other.missing_;
    for (std::size_t i = 0; i < std::size(words); ++i) {
        by_reason_[i] += other.by_reason_[i];
        seen_[i] = seen_[i] || other.seen_[i];
    }
    for (const Gap& gap : other.gaps_) {
        if (gaps_.size() >= kept_gaps) break;
        gaps_.push_back(gap);
    }
}

void Coverage::tell_as(GapReason told, GapReason reason) {
    const auto from = static_cast<std::size_t>(told), to = static_cast<std::size_t>(reason);
    if (from == to || !seen_[from]) return;
    by_reason_[to] += std::exchange(by_reason_[from], 0);
    seen_[to] = true;
    seen_[from] = false;
    for (Gap& gap : gaps_)
        if (gap.reason == told) gap.reason = reason;
}

bool Coverage::stopped() const {
    return seen_[static_cast<std::size_t>(GapReason::stopped)];
}

std::string Coverage::sentence() const {
    if (complete()) return {};
    std::string reasons;
    for (std::size_t i = 0; i < std::size(words); ++i) {
        if (!seen_[i]) continue;
        if (!reasons.empty()) reasons += ", ";
        reasons += by_reason_[i] ? fmt::format("{}: {}", words[i], by_reason_[i]) : std::string(words[i]);
    }
    return fmt::format("Partial: {} of {} bytes not used ({}).", missing_, read_ + missing_, reasons);
}

} // namespace poolkd
