#include "nt/kdbg.h"

#include <bit>

namespace poolkd::nt {

namespace {
constexpr std::size_t header_size = 0x18, size_at = 0x14;
constexpr std::size_t max_size = 0x1000; // 0x380 is the largest seen
constexpr int max_blocks = 64;           // other drivers may register blocks of their own

/// The size that the header of a block states; nothing when it is of something else.
std::optional<std::uint32_t> stated_size(Bytes header) {
    const auto size = load_or<std::uint32_t>(header, size_at);
    if (load_or<std::uint32_t>(header, Kdbg::tag_at) != Kdbg::tag || size < header_size || size > max_size)
        return std::nullopt;
    return size;
}
} // namespace

Result<Kdbg> Kdbg::at(memory::AddressSpace& memory, VirtAddr address, const Machine& machine) {
    POOLKD_TRY(ByteVector header, memory::read_exact(memory, address, header_size));
    const auto size = stated_size(header);
    if (!size) return fail_at(address, ErrorKind::not_found, "What should be debugger data does not bear the tag KDBG");
    Kdbg block;
    block.machine_ = &machine;
    block.address_ = address;
    POOLKD_TRY(block.bytes_, memory::read_exact(memory, address, *size));
    return block;
}

Result<Kdbg> Kdbg::find(memory::AddressSpace& memory, VirtAddr list_head, const Machine& machine) {
    if (!list_head) return fail(ErrorKind::not_found, "The target names no list of debugger data blocks");
    // The blocks are linked by a LIST_ENTRY of the machine's own width.
    POOLKD_TRY(std::uint64_t first, memory::read_unsigned(memory, list_head, machine.pointer_size));
    VirtAddr link = machine.canonical(first);
    for (int i = 0; i < max_blocks && link && link != list_head; ++i) {
        POOLKD_TRY(ByteVector header, memory::read_exact(memory, link, header_size));
        if (stated_size(header)) return at(memory, link, machine);
        link = machine.canonical(load_unsigned(header, 0, machine.pointer_size).value_or(0));
    }
    return fail(ErrorKind::not_found, "No block in the list of debugger data bears the tag KDBG");
}

std::uint64_t Kdbg::Encoding::decode(std::uint64_t word) const {
    word = std::rotl(word ^ wait_never, static_cast<int>(wait_never & 0x3f));
    return std::byteswap(word ^ flag.value) ^ wait_always;
}

Result<Kdbg> Kdbg::decode(memory::AddressSpace& memory, VirtAddr address, const Encoding& encoding,
                          const Machine& machine) {
    auto words = [&](std::size_t size) -> Result<ByteVector> {
        POOLKD_TRY(ByteVector bytes, memory::read_exact(memory, address, size));
        for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t))
            store(MutableBytes(bytes), at, encoding.decode(load_or<std::uint64_t>(bytes, at)));
        return bytes;
    };
    POOLKD_TRY(ByteVector header, words(header_size));
    const auto size = stated_size(header);
    if (!size || *size % 8 != 0)
        return fail_at(address, ErrorKind::malformed, "The encoded debugger data block does not decode");
    Kdbg block;
    block.machine_ = &machine;
    block.address_ = address;
    POOLKD_TRY(block.bytes_, words(*size));
    return block;
}

std::optional<std::uint16_t> Kdbg::offset(Offset field) const {
    const auto offset = load_or<std::uint16_t>(bytes_, field);
    return offset != 0 ? std::optional(offset) : std::nullopt;
}

std::optional<VirtAddr> Kdbg::value(Field field) const {
    auto v = load<std::uint64_t>(bytes_, field);
    if (!v || *v == 0) return std::nullopt;
    return machine_->canonical(*v);
}

} // namespace poolkd::nt
