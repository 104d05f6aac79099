#pragma once

#include "base/address.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace poolkd {

/// Why some bytes of the evidence could not be used.
enum class GapReason {
    unmapped,      ///< no valid translation (over KD this also means paged out: the link does not tell them apart)
    paged_out,     ///< the page is in a page file, or in the file that is mapped there
    demand_zero,   ///< the page was reserved and never touched: it is nowhere
    not_in_image,  ///< the dump or image does not hold the page
    link_lost,     ///< the connection broke
    limit_reached, ///< a bound on a loop over target data was met
    malformed,     ///< the bytes were read but contradict their format
    stopped,       ///< the user stopped the walk
};

inline constexpr std::size_t gap_reasons = static_cast<std::size_t>(GapReason::stopped) + 1;

std::string_view to_words(GapReason reason);

struct Gap {
    GapReason reason = GapReason::unmapped;
    VirtAddr first;
    std::uint64_t bytes = 0;
};

/// How much of the evidence an answer rests on. "Incomplete" is an answer, not an error.
class Coverage {
  public:
    void add_read(std::uint64_t bytes) { read_ += bytes; }
    void add_gap(GapReason reason, VirtAddr first, std::uint64_t bytes);
    void merge(const Coverage& other);
    /// What is missing for one reason is told as missing for another: a part of a walk cannot know who stopped it.
    void tell_as(GapReason told, GapReason reason);

    [[nodiscard]] bool complete() const { return missing_ == 0 && gaps_.empty(); }
    [[nodiscard]] bool stopped() const;
    [[nodiscard]] std::uint64_t read() const { return read_; }
    [[nodiscard]] std::uint64_t missing() const { return missing_; }
    /// The first gaps, at most `kept_gaps`; `missing()` counts all.
    [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
    /// Empty when complete, else e.g. "Partial: 12288 of 40960 bytes unreadable (unmapped: 12288)."
    [[nodiscard]] std::string sentence() const;

    static constexpr std::size_t kept_gaps = 64;

  private:
    std::uint64_t read_ = 0;
    std::uint64_t missing_ = 0;
    std::vector<Gap> gaps_;
    std::uint64_t by_reason_[gap_reasons] = {};
    bool seen_[gap_reasons] = {};
};

/// A value and how much of the evidence it rests on.
template <class T>
struct Answer {
    T value{};
    Coverage coverage;
};

} // namespace poolkd
