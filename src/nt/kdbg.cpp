#include "nt/kdbg.h"

namespace poolkd::nt {

namespace {
constexpr std::uint32_t tag = 0x4742444b; // "KDBG"
constexpr std::size_t header_size = 0x18;
constexpr std::size_t max_size = 0x1000; // 0x380 is the largest seen
constexpr int max_blocks = 64;           // other drivers may register blocks of their own
} // namespace

Result<Kdbg> Kdbg::find(memory::AddressSpace& memory, VirtAddr list_head, const Machine& machine) {
    if (!list_head) return fail(ErrorKind::not_found, "The target names no list of debugger data blocks");
    // The blocks are linked by a LIST_ENTRY of the machine's own width.
    POOLKD_TRY(std::uint64_t first, memory::read_unsigned(memory, list_head, machine.pointer_size));
    VirtAddr link = machine.canonical(first);
    for (int i = 0; i < max_blocks && link && link != list_head; ++i) {
        POOLKD_TRY(ByteVector header, memory::read_exact(memory, link, header_size));
        std::uint32_t size = load_or<std::uint32_t>(header, 0x14);
        if (load_or<std::uint32_t>(header, 0x10) == tag && size >= header_size && size <= max_size) {
            Kdbg block;
            block.machine_ = &machine;
            block.address_ = link;
            POOLKD_TRY(block.bytes_, memory::read_exact(memory, block.address_, size));
            return block;
        }
        link = machine.canonical(load_unsigned(header, 0, machine.pointer_size).value_or(0));
    }
    return fail(ErrorKind::not_found, "No block in the list of debugger data bears the tag KDBG");
}

std::optional<VirtAddr> Kdbg::value(Field field) const {
    auto v = load<std::uint64_t>(bytes_, field);
    if (!v || *v == 0) return std::nullopt;
    return machine_->canonical(*v);
}

} // namespace poolkd::nt
