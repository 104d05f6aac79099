#include "nt/module_image.h"

#include "base/text.h"

#include <algorithm>
#include <cstdlib>

namespace poolkd::nt {

void ModuleImage::Free::operator()(std::byte* p) const {
    std::free(p);
}

ModuleImage::ModuleImage(memory::AddressSpace& memory, VirtAddr base, std::uint32_t size, std::uint32_t page_size)
    : memory_(memory), base_(base), size_(size), page_size_(page_size) {}

Result<Bytes> ModuleImage::bytes(std::uint32_t rva, std::uint32_t size) {
    if (size_ > max_size)
        return fail_at(base_, ErrorKind::malformed, fmt::format("An image of {} bytes is not credible", size_));
    if (rva > size_ || size > size_ - rva)
        return fail_at(base_ + rva, ErrorKind::malformed,
                       fmt::format("{:#x} bytes at {:#x} reach outside the image of {:#x} bytes", size, rva, size_));
    if (size == 0) return Bytes{};
    if (!bytes_) {
        // calloc and not a vector: an image of 16 MB of which three pages are read must not cost 16 MB.
        bytes_.reset(static_cast<std::byte*>(std::calloc(size_, 1)));
        if (!bytes_) return fail(ErrorKind::io, "Out of memory for an image of {} bytes", size_);
        valid_.assign((size_ + page_size_ - 1) / page_size_, false);
    }
    const std::uint32_t last_page = (rva + size - 1) / page_size_;
    for (std::uint32_t page = rva / page_size_; page <= last_page; ++page) {
        if (valid_[page]) continue;
        // Missing neighbours come in one request.
        std::uint32_t end = page + 1;
        while (end <= last_page && !valid_[end])
            ++end;
        const std::uint32_t from = page * page_size_;
        const std::uint32_t count = std::min(end * page_size_, size_) - from;
        POOLKD_CHECK(memory::read_exact(memory_, base_ + from, MutableBytes(bytes_.get() + from, count)));
        std::fill(valid_.begin() + page, valid_.begin() + end, true);
        page = end - 1;
    }
    return Bytes(bytes_.get() + rva, size);
}

} // namespace poolkd::nt
