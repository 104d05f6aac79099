#pragma once

#include "hunt/trace.h"

#include <chrono>
#include <deque>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

namespace poolkd::hunt {

/// What the hits of a trace add up to: blocks that are out, by the stack that they came from. Bounded, however long the
/// trace goes on.
class HitTable {
  public:
    explicit HitTable(std::size_t most_blocks = 1u << 18, std::size_t most_stacks = 4096)
        : most_blocks_(most_blocks), most_stacks_(most_stacks) {}

    /// The stack with these addresses; nothing when it is new.
    [[nodiscard]] std::optional<std::size_t> find(std::span<const VirtAddr> addresses) const;
    /// A new one. Beyond the bound all of a kind go into one that says so.
    std::size_t add(std::vector<VirtAddr> addresses, TraceStack stack);
    [[nodiscard]] const TraceStack& stack(std::size_t index) const { return stacks_[index].stack; }
    /// Modules came or went: the same addresses may be other code now. Blocks and counts stay.
    void forget_addresses() { index_.clear(); }

    /// Notes a hit; `now` is a time of the target.
    void note(const TraceHit& hit, std::chrono::milliseconds now);

    [[nodiscard]] bool outstanding(VirtAddr block) const { return blocks_.contains(block); }
    /// Bytes of a block that is outstanding; 0: it is not, or its size is not known.
    [[nodiscard]] std::uint64_t size_of(VirtAddr block) const;
    [[nodiscard]] std::vector<VirtAddr> outstanding_blocks() const;
    /// It is gone, and no hit showed who freed it.
    void gone_unseen(VirtAddr block);

    /// Fills in what the table knows; ages are those at `now`.
    void fill(TraceReport& report, std::chrono::milliseconds now) const;
    /// Only the sums: cheap enough to be shown after each hit.
    void fill_sums(TraceReport& report) const;

    static constexpr std::size_t kept_hits = 256;
    static constexpr std::size_t most_freed_by = 8; ///< a stack

  private:
    struct Block {
        std::uint64_t size = 0;
        std::size_t stack = 0;
        std::chrono::milliseconds time{0};
    };
    struct Entry {
        TraceStack stack;
        std::vector<std::size_t> freed_by; ///< stacks
    };
    void take_out(std::unordered_map<VirtAddr, Block>::iterator block);

    std::size_t most_blocks_, most_stacks_;
    std::map<std::vector<VirtAddr>, std::size_t> index_;
    std::vector<Entry> stacks_;
    std::map<HitKind, std::size_t> others_; ///< the stacks of those beyond the bound
    std::unordered_map<VirtAddr, Block> blocks_;
    std::deque<TraceHit> kept_;
    std::uint64_t allocations_ = 0, releases_ = 0, unknown_ = 0, matched_ = 0, older_ = 0, unseen_ = 0, left_out_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t sure_[3] = {};
};

} // namespace poolkd::hunt
