#include "commands/memory_view.h"

#include <algorithm>

namespace poolkd::commands {

bool MemoryPiece::all_readable(std::size_t first, std::size_t count) const {
    if (first + count > readable.size()) return false;
    auto begin = readable.begin() + static_cast<std::ptrdiff_t>(first);
    return std::find(begin, begin + static_cast<std::ptrdiff_t>(count), false) ==
           begin + static_cast<std::ptrdiff_t>(count);
}

memory::ReadResult MemoryView::read_some(std::uint64_t address, MutableBytes out) {
    if (!physical_) return session_.memory().read(VirtAddr(address), out, &session_.work());
    if (session_.work().stop_requested()) return {0, GapReason::stopped};
    return session_.target().physical().read(PhysAddr(address), out);
}

Result<MemoryPiece> MemoryView::read(std::uint64_t address, std::size_t size) {
    const std::uint64_t page = session_.kernel().machine().page_size;
    MemoryPiece piece{ByteVector(size), std::vector<bool>(size, false), {}};
    std::size_t done = 0;
    while (done < size) {
        memory::ReadResult read = read_some(address + done, MutableBytes(piece.bytes).subspan(done));
        std::fill_n(piece.readable.begin() + static_cast<std::ptrdiff_t>(done), read.bytes, true);
        piece.coverage.add_read(read.bytes);
        done += read.bytes;
        if (done >= size) break;
        GapReason reason = read.gap.value_or(GapReason::unmapped);
        if (reason == GapReason::stopped) return fail(ErrorKind::stopped, "Stopped");
        if (reason == GapReason::link_lost) return fail(ErrorKind::link, "The link to the target is lost");
        std::size_t skip = std::min<std::size_t>(page - (address + done) % page, size - done);
        std::fill_n(piece.bytes.begin() + static_cast<std::ptrdiff_t>(done), skip, std::byte{0});
        piece.coverage.add_gap(reason, VirtAddr(address + done), skip);
        done += skip;
    }
    return piece;
}

} // namespace poolkd::commands
