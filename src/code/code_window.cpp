#include "code/code_window.h"

#include "code/decoder.h"

namespace poolkd::code {

Bytes CodeWindow::at(VirtAddr address) {
    constexpr std::uint64_t line_bytes = 64;
    std::uint64_t offset = address - start_;
    bool inside = offset < bytes_.size();
    if (!inside || (bytes_.size() - offset < max_instruction_bytes && !gap_)) {
        start_ = VirtAddr(address.value & ~(line_bytes - 1));
        offset = address - start_;
        // Whole lines, so that a cache below has nothing to add, and always room for one instruction.
        std::size_t size = (offset + std::max(piece_, max_instruction_bytes) + line_bytes - 1) & ~(line_bytes - 1);
        bytes_.assign(size, std::byte{});
        memory::ReadResult got = memory_.read(start_, bytes_, work_);
        bytes_.resize(got.bytes);
        gap_ = got.gap;
        if (offset >= bytes_.size()) {
            // The line may begin in a page that is not there.
            start_ = address;
            offset = 0;
            bytes_.assign(max_instruction_bytes, std::byte{});
            got = memory_.read(start_, bytes_, work_);
            bytes_.resize(got.bytes);
            gap_ = got.gap;
        }
    }
    return Bytes(bytes_).subspan(offset, std::min<std::size_t>(max_instruction_bytes, bytes_.size() - offset));
}

} // namespace poolkd::code
