#include "dumps/image_memory.h"

namespace poolkd::dumps {

namespace {

template <class Space>
memory::ReadResult read_placed(const ImageFile& file, const Placement<Space>& placement, Space address,
                               MutableBytes out) {
    std::size_t done = 0;
    while (done < out.size()) {
        const Piece piece = placement.find(address + done, out.size() - done);
        if (!piece.offset) return {done, GapReason::not_in_image};
        const auto bytes = static_cast<std::size_t>(piece.bytes);
        const std::size_t got = file.read(*piece.offset, out.subspan(done, bytes));
        done += got;
        if (got < bytes) return {done, GapReason::not_in_image};
    }
    return {done};
}

} // namespace

memory::ReadResult ImageMemory::read(PhysAddr address, MutableBytes out) {
    return read_placed(*file_, *placement_, address, out);
}

Bytes ImageMemory::view(PhysAddr address, std::size_t wanted) {
    if (wanted == 0) return {};
    const Piece piece = placement_->find(address, wanted);
    return piece.offset ? file_->view(*piece.offset, piece.bytes) : Bytes{};
}

memory::ReadResult ImagePieces::read(VirtAddr address, MutableBytes out, Work* /*work*/) {
    return read_placed(*file_, pieces_, address, out);
}

} // namespace poolkd::dumps
