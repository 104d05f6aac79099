#include "memory/patched_memory.h"

namespace poolkd::memory {

void PatchedMemory::put(PhysAddr address, Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes_[address + i] = bytes[i];
}

ReadResult PatchedMemory::read(PhysAddr address, MutableBytes out) {
    const ReadResult got = below_.read(address, out);
    const auto end = bytes_.lower_bound(address + got.bytes);
    for (auto at = bytes_.lower_bound(address); at != end; ++at)
        out[at->first - address] = at->second;
    return got;
}

} // namespace poolkd::memory
