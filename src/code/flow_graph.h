#pragma once

#include "code/flat_image.h"
#include "code/step.h"

#include <array>
#include <cstdint>
#include <functional>
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
    bool orphan = false;             ///< nobody is seen to go there: a case of a switch, an exception handler
    std::vector<std::uint32_t> next; ///< blocks that follow
};

/// What a function's code does next, without its values.
struct FlowGraph {
    std::vector<Step> steps; ///< by RVA
    std::vector<FlowBlock> blocks;
    std::uint32_t entry = 0; ///< the block where the function begins
    bool cut = false;        ///< longer than `max_steps`, or more cases of switches than that

    /// The step that begins at `rva`, or null.
    [[nodiscard]] const Step* at(std::uint32_t rva) const;

    static constexpr std::size_t max_steps = 1u << 16;
};

/// Builds the graphs of an image's functions, one after the other.
class FlowGraphs {
  public:
    /// Where another function begins: what falls or jumps there leaves this one.
    using IsOther = std::function<bool(std::uint32_t rva)>;

    FlowGraphs(const FlatImage& image, const Machine& machine, std::uint64_t base);

    /// The function that begins at `entry` and stays within `extents`. `whole`: the extents are exactly its code, so
    /// that parts of them which no branch leads to belong to it, and no other begins there. `roots`: more code of it
    /// that none leads to.
    FlowGraph build(std::uint32_t entry, std::span<const Extent> extents, bool whole, const IsOther& is_other,
                    std::span<const std::uint32_t> roots = {});

  private:
    void follow(std::uint32_t start, bool orphan);
    void follow_table(const Step& jump);
    void add_case(const Step& jump, std::uint64_t target);
    void lead(std::uint32_t rva, bool orphan = false);
    [[nodiscard]] bool inside(std::uint32_t rva) const;
    [[nodiscard]] std::uint8_t& mark(std::uint32_t rva);
    void make_blocks();
    void make_blocks_of(const std::vector<Step>& steps);

    const FlatImage& image_;
    const Machine& machine_;
    std::uint64_t base_;
    /// By RVA: length of the step that begins there, and what is known of it. In pages, since functions that are looked
    /// at are a small part of an image.
    static constexpr std::uint32_t marks_of_page = 0x1000;
    using MarksOfPage = std::array<std::uint8_t, marks_of_page>;
    std::vector<std::unique_ptr<MarksOfPage>> marks_;

    FlowGraph graph_;
    std::vector<Step> decoded_;                                  ///< in the order of finding
    std::vector<std::pair<std::uint32_t, std::uint32_t>> order_; ///< RVAs and indices of them
    std::vector<std::uint32_t> starts_;                          ///< RVAs of blocks
    std::span<const Extent> extents_;
    bool whole_ = false;
    const IsOther* is_other_ = nullptr;
    std::vector<std::uint32_t> queue_;
    std::vector<std::uint32_t> leaders_;
    using Case = std::pair<std::uint32_t, std::uint32_t>; ///< RVA of a jump through a table, and of what it leads to
    std::vector<Case> cases_;
    std::uint32_t entry_rva_ = 0;
};

} // namespace poolkd::code
