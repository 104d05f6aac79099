#pragma once

#include "dumps/image_coverage.h"
#include "dumps/placement.h"

#include <cstddef>
#include <span>
#include <vector>

namespace poolkd::dumps {

/// Memory that lies in the file in one piece.
template <class Space>
struct Run {
    Space start;
    std::uint64_t bytes = 0;
    FileOffset offset;
};

/// A sorted table of runs that do not overlap. Made from whatever a container tells.
template <class Space>
class RunTable final : public Placement<Space> {
  public:
    /// Runs in any order; ones that touch in memory and file become one. Of two that overlap, the one that begins lower
    /// keeps the bytes; the one that lies lower in the file when both begin together. What lies behind `file_size` is
    /// left out. Everything left out is counted in `coverage`.
    static RunTable build(std::vector<Run<Space>> runs, std::uint64_t file_size, ImageCoverage& coverage);

    [[nodiscard]] Piece find(Space address, std::uint64_t wanted) const override;
    [[nodiscard]] Space end() const override;
    [[nodiscard]] std::span<const Run<Space>> runs() const { return runs_; }

    /// A table takes no more: 200 MB of them. Real files have a few dozen, range dumps some hundred thousand.
    static constexpr std::size_t most_runs = std::size_t{8} << 20;

  private:
    std::vector<Run<Space>> runs_;
};

extern template class RunTable<PhysAddr>;
extern template class RunTable<VirtAddr>;

} // namespace poolkd::dumps
