#pragma once

#include "pool/big_pages.h"
#include "pool/ranges.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace poolkd::pool {

/// Cuts runs of pages into stretches of a bounded size, in order, and leaves out large allocations: these occupy whole
/// pages and have no headers.
class Stretches {
  public:
    /// `big` by address.
    Stretches(const std::vector<PageRun>& runs, const std::vector<BigPage>& big, std::uint32_t page_size,
              std::uint64_t most_bytes)
        : runs_(runs), big_(big), page_size_(page_size), most_bytes_(most_bytes) {}

    [[nodiscard]] std::optional<PageRun> next();
    /// What was left out so far.
    [[nodiscard]] std::uint64_t big_bytes() const { return big_bytes_; }

  private:
    [[nodiscard]] std::uint64_t rest_of_holder(VirtAddr address) const;

    const std::vector<PageRun>& runs_;
    const std::vector<BigPage>& big_;
    std::uint32_t page_size_;
    std::uint64_t most_bytes_;
    std::size_t run_ = 0;
    std::uint64_t into_ = 0; ///< bytes of the run that are done
    std::uint64_t big_bytes_ = 0;
};

/// The threads that go through a target's memory, each with its own view of it: several for an image, one for a link.
class StretchReaders {
  public:
    StretchReaders(target::Target& target, std::size_t threads);

    [[nodiscard]] std::size_t threads() const { return std::max<std::size_t>(own_.size(), 1); }
    /// Does all the stretches, `read` on several threads at once; returns when they are done.
    void run(std::span<const PageRun> stretches,
             const std::function<void(std::size_t index, memory::AddressSpace& memory)>& read);

  private:
    target::Target& target_;
    std::vector<std::unique_ptr<memory::AddressSpace>> own_; ///< empty: only the target's own
};

} // namespace poolkd::pool
