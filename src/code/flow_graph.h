#pragma once

#include "code/flat_image.h"
#include "code/step.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace poolkd::code {

/// A range of code, in RVAs.
struct Extent {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;

    [[nodiscard]] bool contains(std::uint32_t rva) const { return rva >= begin && rva < end; }
};

/// Steps that run one after the other.
struct FlowBlock {
    std::uint32_t first = 0; ///< index of the first step
    std::uint32_t count = 0;
    std::uint32_t first_next = 0; ///< index of the first block that follows, see `FlowGraph::next`
    std::uint32_t next_count = 0;
    bool orphan = false; ///< nobody is seen to go there: a case of a switch, an exception handler
    bool leaves = false; ///< its last step jumps out of the function
};

/// What a function's code does next, without its values.
struct FlowGraph {
    std::vector<Step> steps;               ///< by RVA
    std::vector<FlowBlock> blocks;         ///< the same
    std::vector<std::uint32_t> successors; ///< indices of blocks, for all of them
    std::uint32_t entry = 0;               ///< the block where the function begins
    bool cut = false; ///< longer than `max_steps`, or more cases of switches or extents than may be

    /// The step that begins at `rva`, or null.
    [[nodiscard]] const Step* at(std::uint32_t rva) const;
    /// The blocks that follow one.
    [[nodiscard]] std::span<const std::uint32_t> next(const FlowBlock& block) const {
        return std::span(successors).subspan(block.first_next, block.next_count);
    }

    static constexpr std::size_t max_steps = 1u << 16;
    static constexpr std::size_t max_extents = 1u << 10;
};

/// Builds the graphs of an image's functions, one after the other.
class FlowGraphs {
  public:
    /// `begins`: where functions begin, sorted: what falls or jumps there leaves the one before.
    FlowGraphs(const FlatImage& image, const Machine& machine, std::uint64_t base,
               std::span<const std::uint32_t> begins);

    /// The function that begins at `entry` and stays within `extents`, which are sorted and do not overlap. `whole`:
    /// the extents are exactly its code, so that parts of them which no branch leads to belong to it, and no other
    /// begins there. `roots`: more code of it that none leads to.
    FlowGraph build(std::uint32_t entry, std::span<const Extent> extents, bool whole,
                    std::span<const std::uint32_t> roots = {});
    /// Takes a graph that is no longer needed: its memory serves the next one.
    void take_back(FlowGraph graph) { graph_ = std::move(graph); }
    /// Instructions decoded so far, for all functions; 16 bytes of padding that were looked through count as one.
    [[nodiscard]] std::uint64_t decoded() const { return decoded_in_all_; }

  private:
    void follow(std::uint32_t start, bool orphan);
    void follow_run(std::uint32_t rva);
    void follow_table(const Step& jump);
    void add_case(const Step& jump, std::uint64_t target);
    void lead(std::uint32_t rva, bool orphan = false);
    [[nodiscard]] bool inside(std::uint32_t rva) const { return rva < end_of_run(rva); }
    /// How far code that is reached at `rva` may go on; 0 where it may not even begin.
    [[nodiscard]] std::uint32_t end_of_run(std::uint32_t rva) const;
    [[nodiscard]] std::uint8_t& mark(std::uint32_t rva);
    void follow_rest();
    void put_in_order();
    void make_blocks();
    void connect_blocks();
    void clear_marks();

    const FlatImage& image_;
    const Machine& machine_;
    std::uint64_t base_;
    std::span<const std::uint32_t> begins_;
    std::uint64_t decoded_in_all_ = 0;
    /// By RVA: length of the step that begins there, and what is known of it. In pages, since functions that are looked
    /// at are a small part of an image.
    static constexpr std::uint32_t marks_of_page = 0x1000;
    using MarksOfPage = std::array<std::uint8_t, marks_of_page>;
    std::vector<std::unique_ptr<MarksOfPage>> marks_;
    std::size_t pages_marked_ = 0;

    FlowGraph graph_;
    std::vector<Step> decoded_;         ///< in the order of finding
    std::vector<std::uint64_t> order_;  ///< RVA and index of each, in one number
    std::vector<std::uint32_t> starts_; ///< RVAs of blocks
    std::span<const Extent> extents_;
    bool whole_ = false;
    std::vector<std::uint32_t> queue_;
    std::vector<std::uint32_t> leaders_;
    using Case = std::pair<std::uint32_t, std::uint32_t>; ///< RVA of a jump through a table, and of what it leads to
    std::vector<Case> cases_;
    std::uint32_t entry_rva_ = 0;
};

} // namespace poolkd::code
