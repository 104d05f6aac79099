#include "symbols/pdb/stream.h"

#include <algorithm>

namespace poolkd::symbols {

PdbStream::PdbStream(Bytes file, std::uint32_t block_size, Bytes blocks, std::uint32_t size)
    : file_(file), block_size_(block_size ? block_size : 1), blocks_(blocks) {
    // A deleted stream has size 0xffffffff and no blocks.
    const std::uint64_t room = static_cast<std::uint64_t>(blocks.size() / 4) * block_size_;
    size_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(size, room));
}

std::uint64_t PdbStream::block_start(std::size_t index) const {
    return static_cast<std::uint64_t>(load_or<std::uint32_t>(blocks_, index * 4)) * block_size_;
}

Bytes PdbStream::read(std::uint64_t offset, std::size_t size, ByteVector& scratch) const {
    if (size == 0 || offset > size_ || size > size_ - offset) return {};
    std::size_t block = offset / block_size_;
    const std::size_t last = (offset + size - 1) / block_size_;
    const std::size_t inside = offset % block_size_;
    const std::uint64_t start = block_start(block);
    std::size_t run = block;
    while (run < last && block_start(run + 1) == block_start(run) + block_size_)
        ++run;
    if (run == last) {
        if (start + inside > file_.size() || size > file_.size() - start - inside) return {};
        return file_.subspan(start + inside, size);
    }
    scratch.resize(size);
    std::size_t from = inside;
    for (std::size_t done = 0; done < size; ++block, from = 0) {
        const std::size_t count = std::min<std::size_t>(block_size_ - from, size - done);
        const std::uint64_t at = block_start(block) + from;
        if (at > file_.size() || count > file_.size() - at) return {};
        std::ranges::copy(file_.subspan(at, count), scratch.begin() + static_cast<std::ptrdiff_t>(done));
        done += count;
    }
    return Bytes(scratch).first(size);
}

Bytes PdbStream::record(std::uint64_t offset, ByteVector& scratch) const {
    auto length = load<std::uint16_t>(read(offset, 2, scratch), 0);
    // The kind, at least, must be there.
    if (!length || *length < 2) return {};
    return read(offset, *length + 2u, scratch);
}

ByteVector PdbStream::copy() const {
    ByteVector scratch;
    Bytes view = read(0, size_, scratch);
    return {view.begin(), view.end()};
}

} // namespace poolkd::symbols
