#pragma once

#include "base/bytes.h"
#include "dumps/image_coverage.h"
#include "dumps/placement.h"

#include <cstddef>
#include <vector>

namespace poolkd::dumps {

/// Pages of 4 KiB that lie in the file in ascending order, with a bit for each page of memory: set where the file has
/// it. The bitmap stays in the mapped file; beside it there are 8 bytes for every 512 pages (1/64 of a permille).
class PageBitmap final : public Placement<PhysAddr> {
  public:
    /// Bit n of byte k stands for page 8k+n. The bytes must outlive this. `bits` beyond them or beyond `most_pages`
    /// are not looked at.
    PageBitmap(Bytes bitmap, std::uint64_t bits, FileOffset first_page, std::uint64_t file_size,
               ImageCoverage& coverage);

    [[nodiscard]] Piece find(PhysAddr address, std::uint64_t wanted) const override;
    [[nodiscard]] PhysAddr end() const override;
    /// Set bits.
    [[nodiscard]] std::uint64_t pages() const { return pages_; }

    static constexpr std::uint64_t most_pages = 1ull << 34; ///< 64 TiB of memory, more than Windows runs on

  private:
    static constexpr std::uint64_t word_bits = 64, block_words = 8, block_bits = word_bits * block_words;

    [[nodiscard]] std::uint64_t word(std::uint64_t index) const;
    [[nodiscard]] bool is_set(std::uint64_t page) const { return (word(page / word_bits) >> (page % word_bits)) & 1; }
    /// Set bits below `page`.
    [[nodiscard]] std::uint64_t rank(std::uint64_t page) const;
    /// The first page from `page` on, below `last`, whose bit is `value`; `last` when there is none.
    [[nodiscard]] std::uint64_t next(std::uint64_t page, std::uint64_t last, bool value) const;

    Bytes bitmap_;
    std::uint64_t bits_;
    FileOffset first_page_;
    std::uint64_t file_size_;
    std::uint64_t pages_ = 0;
    std::uint64_t end_page_ = 0;
    std::vector<std::uint64_t> directory_; ///< set bits before each block
};

} // namespace poolkd::dumps
