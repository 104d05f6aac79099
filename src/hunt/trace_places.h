#pragma once

#include "code/stack.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace poolkd::hunt {

/// The words that a stop in the allocator shows: the general registers, then the stack from the stop to the driver's
/// frame. A compiler keeps a value of one function, at one of its instructions, always in the same of them.
struct ShownWords {
    std::vector<std::uint64_t> words;
    std::uint64_t path = 0; ///< names the way through the allocator: its return addresses
};

/// Costs no request where the stack walk has read that part of the stack.
[[nodiscard]] ShownWords shown_words(nt::Kernel& kernel, const code::StackTrace& trace, std::size_t caller);

/// Learns in which word the block's pointer lies, from stops at which it is known, so that later stops of the same path
/// need no second stop and no search. A place counts when it held the pointer every time, with several blocks.
class PointerPlaces {
  public:
    /// The pointer as the learned places have it; nothing while none is learned, or while they disagree.
    [[nodiscard]] std::optional<std::uint64_t> read(const ShownWords& shown) const;
    /// The pointer is one of these. Gives it when only one of them lies where the pointer lay every time before.
    std::optional<std::uint64_t> learn(const ShownWords& shown, std::span<const std::uint64_t> pointers);
    /// What was read was wrong.
    void doubt(const ShownWords& shown) { paths_.erase(shown.path); }

    static constexpr unsigned enough = 4; ///< stops with blocks that differ from the one before

  private:
    struct Path {
        std::vector<std::uint32_t> places; ///< that were right so far; empty: there is none
        unsigned stops = 0;
        unsigned seen = 0; ///< of them, those whose block was another than the one before
        std::optional<std::uint64_t> last;
    };
    /// What all places hold; nothing when they do not agree.
    [[nodiscard]] static std::optional<std::uint64_t> agreed(const Path& path, const ShownWords& shown);

    static constexpr std::size_t most_paths = 256;
    std::map<std::uint64_t, Path> paths_;
};

} // namespace poolkd::hunt
