#include "dumps/page_bitmap.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace poolkd::dumps {

PageBitmap::PageBitmap(Bytes bitmap, std::uint64_t bits, FileOffset first_page, std::uint64_t file_size,
                       ImageCoverage& coverage)
    : bitmap_(bitmap), bits_(std::min({bits, std::uint64_t{bitmap.size()} * 8, most_pages})),
      first_page_(std::min(first_page, FileOffset(file_size))), // sums with it cannot wrap
      file_size_(file_size) {
    coverage.limit_reached |= bits_ < bits;
    directory_.reserve(bits_ / block_bits + 1);
    for (std::uint64_t index = 0; index * word_bits < bits_; ++index) {
        if (index % block_words == 0) directory_.push_back(pages_);
        const std::uint64_t set = word(index);
        pages_ += static_cast<std::uint64_t>(std::popcount(set));
        if (set) end_page_ = index * word_bits + static_cast<std::uint64_t>(std::bit_width(set));
    }
    const std::uint64_t stated = pages_ * page_bytes;
    const std::uint64_t in_file = std::min(stated, file_size_ - std::min(file_size_, first_page_.value));
    coverage.stated += stated;
    coverage.present += in_file;
    coverage.beyond_file += stated - in_file;
}

std::uint64_t PageBitmap::word(std::uint64_t index) const {
    const std::uint64_t at = index * 8;
    std::uint64_t value = 0;
    std::memcpy(&value, bitmap_.data() + at, static_cast<std::size_t>(std::min<std::uint64_t>(8, bitmap_.size() - at)));
    const std::uint64_t valid = bits_ - index * word_bits;
    return valid >= word_bits ? value : value & ((1ull << valid) - 1);
}

std::uint64_t PageBitmap::rank(std::uint64_t page) const {
    std::uint64_t count = directory_[page / block_bits];
    std::uint64_t index = page / block_bits * block_words;
    for (; index < page / word_bits; ++index)
        count += static_cast<std::uint64_t>(std::popcount(word(index)));
    const std::uint64_t below = (1ull << (page % word_bits)) - 1;
    return below ? count + static_cast<std::uint64_t>(std::popcount(word(index) & below)) : count;
}

std::uint64_t PageBitmap::next(std::uint64_t page, std::uint64_t last, bool value) const {
    while (page < last) {
        const std::uint64_t bits = value ? word(page / word_bits) : ~word(page / word_bits);
        if (const std::uint64_t rest = bits >> (page % word_bits))
            return std::min(last, page + static_cast<std::uint64_t>(std::countr_zero(rest)));
        page = (page / word_bits + 1) * word_bits;
    }
    return last;
}

Piece PageBitmap::find(PhysAddr address, std::uint64_t wanted) const {
    const std::uint64_t page = address.value / page_bytes;
    const std::uint64_t into = address.value % page_bytes;
    if (page >= end_page_) return {std::nullopt, wanted};
    // The last page that is of interest, and one behind it.
    const std::uint64_t last = std::min(end_page_, page + std::min((wanted - 1) / page_bytes, end_page_) + 2);
    if (!is_set(page)) return {std::nullopt, std::min(wanted, next(page, last, true) * page_bytes - address.value)};
    const std::uint64_t bytes = std::min(wanted, next(page, last, false) * page_bytes - address.value);
    const std::uint64_t offset = first_page_.value + rank(page) * page_bytes + into;
    if (offset >= file_size_) return {std::nullopt, bytes};
    return {FileOffset(offset), std::min(bytes, file_size_ - offset)};
}

PhysAddr PageBitmap::end() const {
    return PhysAddr(end_page_ * page_bytes);
}

} // namespace poolkd::dumps
