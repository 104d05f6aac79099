#include "nt/module_image.h"

#include "base/text.h"
#include "pe/image.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

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
        const MutableBytes out(bytes_.get() + from, count);
        POOLKD_CHECK(fill(from, out));
        std::fill(valid_.begin() + page, valid_.begin() + end, true);
        page = end - 1;
    }
    return Bytes(bytes_.get() + rva, size);
}

Result<void> ModuleImage::fill(std::uint32_t from, MutableBytes out) {
    auto read = memory::read_exact(memory_, base_ + from, out);
    if (read || read.error().kind != ErrorKind::unreadable) return read;
    if (out.size() > page_size_) {
        // What memory has of these pages is better than the file's.
        for (std::uint32_t at = 0; at < out.size(); at += page_size_)
            POOLKD_CHECK(fill(from + at, out.subspan(at, std::min<std::size_t>(page_size_, out.size() - at))));
        return {};
    }
    if (!take_from_file(from, out)) return read;
    return {};
}

namespace {

/// What of [from, from + out.size()) lies in `bytes`, which belong at `rva`.
bool overlay(std::uint32_t from, MutableBytes out, std::uint32_t rva, Bytes bytes) {
    const std::uint64_t first = std::max(from, rva);
    const std::uint64_t end = std::min<std::uint64_t>(from + out.size(), rva + bytes.size());
    if (first >= end) return false;
    std::ranges::copy(bytes.subspan(first - rva, end - first), out.begin() + static_cast<std::ptrdiff_t>(first - from));
    return true;
}

} // namespace

bool ModuleImage::take_from_file(std::uint32_t from, MutableBytes out) {
    if (find_file_)
        if (auto found = std::exchange(find_file_, nullptr)(); found) file_ = std::move(*found);
    pe::SpanReader reader(file_);
    auto image = pe::Image::open(reader, pe::ImageLayout::file);
    if (!image) return false;
    std::ranges::fill(out, std::byte{0});
    bool any = overlay(from, out, 0, Bytes(file_).first(std::min<std::size_t>(image->size_of_headers, file_.size())));
    for (const pe::Section& section : image->sections()) {
        const std::uint64_t size = std::min(section.file_size, section.size());
        if (section.file_offset > file_.size()) continue;
        any |= overlay(from, out, section.rva,
                       Bytes(file_).subspan(section.file_offset,
                                            std::min<std::uint64_t>(size, file_.size() - section.file_offset)));
    }
    return any;
}

} // namespace poolkd::nt
